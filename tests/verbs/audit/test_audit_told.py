import pytest
from film_tables import SETTINGS, film, films

from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.pipeline.checks.summary import (
    SPLIT,
    meanings,
    renamed,
    with_manifest,
    with_meanings,
    with_split,
)

USUAL = meanings(SETTINGS.same_labels)


def test_the_ways_to_write_covid_and_normal_mean_the_same():
    assert renamed(["COVID", "Covid-19", "Normal", "No_findings", "Tuberculosis"], USUAL) == {
        "COVID": "COVID-19",
        "Covid-19": "COVID-19",
        "Normal": "Normal",
        "No_findings": "Normal",
    }


def test_pneumonia_and_viral_pneumonia_are_not_taken_for_the_same():
    assert renamed(["Pneumonia", "Viral Pneumonia"], USUAL) == {}


def test_a_label_alone_of_its_meaning_keeps_its_name():
    assert renamed(["COVID", "No_findings"], USUAL) == {}


@pytest.mark.parametrize("said", ["COVID", "=a+b", "name=a++b", "name="])
def test_a_meaning_that_says_nothing_is_refused(said):
    with pytest.raises(ConfigError, match=r"Expected audit.same_labels as NAME=ONE\+OTHER"):
        meanings([said])


def test_films_get_the_common_name(spark):
    rows = films(spark, film("a", "ill"), film("b", "sick"), film("c", "well"), film("d", None))
    found = with_meanings(rows, meanings(["ill=sick"]))
    assert {row.path: row.label for row in found.collect()} == {
        "a": "ill",
        "b": "ill",
        "c": "well",
        "d": None,
    }


def config(tmp_path, text, **audit):
    (tmp_path / "m.csv").write_text(text)
    return with_manifest(defaults(audit={"manifest": str(tmp_path / "m.csv"), **audit}))


def sides(spark, cfg, *names):
    rows = films(spark, *(film(name) for name in names)).drop(SPLIT)
    return {row.path: row.split for row in with_split(spark, cfg, rows).collect()}


def test_the_manifest_is_the_label_file_unless_another_is_named(tmp_path):
    assert config(tmp_path, "").ingest.labels == str(tmp_path / "m.csv")
    cfg = defaults(audit={"manifest": "m.csv"}, ingest={"labels": "folder"})
    assert with_manifest(cfg).ingest.labels == "folder"


def test_sides_come_from_the_column_split_of_the_manifest(spark, tmp_path):
    cfg = config(tmp_path, "path,label,split\nx/a.png,ill,train\nx/b.png,ill,test\nx/c.png,ill,\n")
    found = sides(spark, cfg, "file:/x/a.png", "file:/x/b.png", "file:/x/c.png")
    assert found == {"file:/x/a.png": "train", "file:/x/b.png": "test", "file:/x/c.png": None}


def test_another_column_can_be_named(spark, tmp_path):
    cfg = config(tmp_path, "path,label,part\na.png,ill,one\n", split_column="part")
    assert sides(spark, cfg, "file:/x/a.png") == {"file:/x/a.png": "one"}


def test_a_column_that_is_not_there_is_refused(spark, tmp_path):
    cfg = config(tmp_path, "path,label,part\na.png,ill,one\n", split_column="parts")
    with pytest.raises(InputError, match=r"Did you mean part\?"):
        sides(spark, cfg, "file:/x/a.png")


def test_a_column_without_a_file_is_refused(spark):
    with pytest.raises(ConfigError, match="Name the CSV with --manifest"):
        sides(spark, defaults(audit={"split_column": "part"}), "file:/x/a.png")


def test_without_a_manifest_folders_called_train_and_test_count(spark):
    found = sides(spark, defaults(), "file:/x/train/ill/a.png", "file:/x/Test/b.png", "file:/c.png")
    assert list(found.values()) == ["train", "test", None]
