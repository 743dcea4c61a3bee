import json
from types import SimpleNamespace

import pytest

from spark_cxr.errors import SetupError
from spark_cxr.pipeline import session


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("", 0),
    ],
)
def test_javas_version_is_read_from_what_it_prints(text, version):
    assert session.java_version(text) == version


def test_no_java_is_one_line_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError) as error:
        session._need_java()
    assert str(error.value) == (
        "Expected a Java that Spark runs on. Received: no java on the PATH. "
        "Install a Java 17 or 21 (on Debian or Ubuntu: apt-get install openjdk-17-jre-headless)."
    )


def test_an_old_java_is_refused(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'java version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=r"Received: Java 8"):
        session._need_java()


def test_the_session_that_is_there_is_taken(spark):
    assert session.open_session("x") is spark


def test_batches_are_small_enough_for_image_files(spark):
    session.open_session("x")
    assert spark.conf.get("spark.sql.execution.arrow.maxRecordsPerBatch") == "32"


def test_a_session_says_what_it_is(spark):
    said = session.describe(spark)
    assert said == {"spark": spark.version, "session": "classic", "master": "local[2]"}


class Settings(dict[str, str]):
    set = dict.__setitem__


@pytest.mark.parametrize("is_own", [True, False])
def test_only_a_session_of_our_own_is_suited_to_few_rows_and_back(is_own):
    settings = dict.fromkeys(session.FOR_FEW, "as it was")
    before = settings | ({session.OWN: json.dumps(settings)} if is_own else {})
    spark = SimpleNamespace(conf=Settings(before))
    session.expect_few(spark)
    assert spark.conf == before | (session.FOR_FEW if is_own else {})
    session.expect_few(spark, are_few=False)
    assert spark.conf == before
