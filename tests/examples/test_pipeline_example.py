"""The declarative pipeline of examples/pipeline/ runs twice on drawn films: none is taken twice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pyspark
import pytest

ROOT = Path(__file__).resolve().parents[2]
OF_A_RUN = ("SPARK_CONF_DIR", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET", "SPARK_HOME")
"""What would send it to the session of the tests."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(pyspark.__version__ < "4.1", reason="pipelines came with Spark 4.1")
def test_each_film_is_in_the_table_once(films, tmp_path):
    place = tmp_path / "pipeline"
    shutil.copytree(ROOT / "examples" / "pipeline", place)
    spec = place / "spark-pipeline.yml"
    text = spec.read_text().replace("../../demo/phantoms", str(films))
    spec.write_text(text.replace("file:///tmp/spark_cxr-pipeline", f"file://{tmp_path}/marks"))
    scripts = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if name not in OF_A_RUN}
    env |= {"PATH": f"{scripts}:{env['PATH']}", "PYSPARK_PYTHON": sys.executable}
    for _ in range(2):
        lasting = ("--conf", "spark.sql.catalogImplementation=hive")
        command = [str(scripts / "spark-pipelines"), *lasting, "run"]
        said = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
        assert "Run is COMPLETED" in said.stdout + said.stderr, said.stderr[-2000:]
    rows = pq.read_table(place / "spark-warehouse" / "films").to_pylist()
    bad = pq.read_table(place / "spark-warehouse" / "quarantine").to_pylist()
    assert len({row["path"] for row in rows}) == len(rows) == 69
    assert len(bad) == 9
