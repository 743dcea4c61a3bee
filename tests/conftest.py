"""What tests share: the real films where they are, drawn films, and one Spark session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parent.parent
STARTS_JOBS = ROOT / "tests" / "jobs"
HEAVY = {
    # real networks are built, trained or drawn from
    *(
        "training",
        "test_quantisation",
        "test_backbone_catalog",
        "test_maps",
        "test_cxrnet",
        "test_engines",
    ),
    *("test_features_of_networks", "test_network_file", "test_regions"),
    # whole pages with all their plots, a browser, a server that is started as a command
    *("test_comparison_page", "test_training_page", "test_plots", "test_page", "test_browser"),
    *("test_command", "test_hostile", "test_load", "test_results"),
    # MLflow
    *("track", "test_pyfunc"),
    # many resamplings, many broken files
    *("test_intervals", "test_resample", "test_mutations", "test_apart", "test_bombs"),
}
"""Folders and files of tests that take long without a JVM."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a JVM or takes long, so that `make test-quick` can leave it out."""
    for item in items:
        uses_spark = "spark" in getattr(item, "fixturenames", ())
        if uses_spark or STARTS_JOBS in item.path.parents:
            item.add_marker(pytest.mark.jvm)
        if item.path.stem in HEAVY or item.path.parent.name in HEAVY:
            item.add_marker(pytest.mark.heavy)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Find the real films, or skip and say so."""
    folder = Path(os.environ.get("SPARK_CXR_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real films at {folder} (set SPARK_CXR_DATA)")
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw 69 small phantoms, 9 of them broken, one of each kind that ingest meets first."""
    from spark_cxr.config import defaults
    from spark_cxr.output import Output
    from spark_cxr.pipeline.phantom_films import phantoms_step

    folder = tmp_path_factory.mktemp("films")
    drawing = {"count": 69, "size": 96, "bad": 9, "masks": True}
    phantoms_step(defaults(phantoms=drawing).phantoms, seed=0, output=Output(str(folder)))
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Leave a home's cache as it is.

    Before all else: a test that sets another one gives this one back, not none.
    """
    os.environ["SPARK_CXR_CACHE"] = str(tmp_path_factory.mktemp("own_cache"))
    return os.environ["SPARK_CXR_CACHE"]


@pytest.fixture(scope="session")
def spark(own_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Start the one Spark session of this test run: classic, two cores, no look at the network."""
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["SPARK_CONF_DIR"] = str(ROOT / "conf" / "local")
    os.environ["SPARK_CXR_CACHE"] = own_cache  # what the workers have, whatever a test has set
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    from spark_cxr.pipeline.session import open_session

    yield open_session("tests")
    session.stop()
