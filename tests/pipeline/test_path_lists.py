"""Films by a list of their paths, from files, tables and stdin; and folders by day."""

import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql import SparkSession

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.film_places import places
from spark_cxr.pipeline import path_lists
from spark_cxr.pipeline.path_lists import GONE
from spark_cxr.pipeline.sources import list_files


def names(spark: SparkSession | None, paths: str, *images: str) -> dict[str, str]:
    cfg = defaults(ingest={"images": [*images], "paths": paths})
    found = list_files(spark, cfg.ingest.images).found
    return {file.path.rpartition("/")[2]: file.obstacle for file in found}


@pytest.fixture
def folder(films: Path, tmp_path: Path) -> Path:
    shutil.copytree(films / "Pneumonia", tmp_path / "films")
    return tmp_path / "films"


@pytest.mark.parametrize("form", ["txt", "csv", "parquet"])
def test_a_list_names_films_relative_to_itself(
    spark: SparkSession, folder: Path, form: str
) -> None:
    wanted = sorted(file.name for file in folder.iterdir())[:4]
    asked = [*wanted[:2], str(folder / wanted[2]), f"file:{folder / wanted[3]}", "gone.png"]
    file = folder / f"list.{form}"
    if form == "txt":
        file.write_text("\n".join([*asked, "", asked[0]]))
    elif form == "csv":
        file.write_text("n,path\n" + "".join(f"{n},{path}\n" for n, path in enumerate(asked)))
    else:
        parquet.write_table(pa.table({"path": asked}), file)
    assert names(spark, str(file)) == {**dict.fromkeys(wanted, ""), "gone.png": GONE}
    assert names(None, str(file)) == names(spark, str(file))


def test_stdin_and_tables_are_lists_too(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = str(next(folder.iterdir()))
    path_lists._from_stdin.cache_clear()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{film}\n"))
    assert len(names(spark, "-")) == len(names(spark, "-")) == 1
    spark.createDataFrame([(film,)], "path string").createOrReplaceTempView("wanted_films")
    assert len(names(spark, "wanted_films")) == 1
    with pytest.raises(InputError, match="a table of the session"):
        names(spark, "no_such_table")
    spark.createDataFrame([(film,)], "x string").createOrReplaceTempView("wanted_films")
    with pytest.raises(InputError, match="a column of paths"):
        names(spark, "wanted_films")


def test_a_list_beside_folders_adds_what_they_do_not_have(
    spark: SparkSession, folder: Path, tmp_path: Path
) -> None:
    film = sorted(folder.iterdir())[0]
    shutil.copy(film, tmp_path / "other.png")
    (tmp_path / "list.txt").write_text(f"{film}\nother.png\n")
    alone = names(spark, "", str(folder))
    assert names(spark, str(tmp_path / "list.txt"), str(folder)) == {**alone, "other.png": ""}


def test_folders_by_day_are_those_that_are_there(spark: SparkSession, folder: Path) -> None:
    today = datetime.now(UTC).date()
    for back in (0, 2, 9):
        day = folder / (today - timedelta(days=back)).strftime("%Y/%m/%d")
        day.mkdir(parents=True)
        shutil.copy(next(folder.glob("*.*")), day / f"back{back}.png")
    cfg = defaults(ingest={"images": [f"{folder}/%Y/%m/%d"], "new_since": "3d"})
    found = list_files(spark, cfg.ingest.images).found
    assert sorted(file.path.rpartition("/")[2] for file in found) == ["back0.png", "back2.png"]


def test_days_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="a day or a number of days"):
        places(("films/%Y",), "", "yesterday")
    with pytest.raises(ConfigError, match="the day in them"):
        places(("films",), "", "7d")
    with pytest.raises(ConfigError, match="a day of the last"):
        places(("films/%Y",), "", "2999-01-01")
