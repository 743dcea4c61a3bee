"""The publishers' own label files, counted as FACTS and pandas count them."""

from pathlib import Path

import pytest
from pyspark.sql import functions as F

from spark_cxr.config import defaults
from spark_cxr.pipeline.labels import label_rows

CHEXPERT = "chexpert_train.csv.gz"
PADCHEST = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"


@pytest.fixture
def publishers(shared_data: Path) -> Path:
    """Find the label files beside the films, or skip and say so."""
    folder = shared_data.parent / "labels"
    if not folder.is_dir():
        pytest.skip(f"no label files of publishers at {folder}")
    return folder


def counted(spark, path, **settings):
    """Count rows, and films that have each finding and of whom it is known."""
    settings = {"labels": str(path), "findings": ["all"], **settings}
    rows = label_rows(spark, defaults(ingest=settings).ingest)
    counts = rows.select("key", F.explode_outer("findings").alias("name", "has")).groupBy("name")
    counts = counts.agg(F.count_if("has").alias("has"), F.count("name").alias("known")).collect()
    return {row["name"]: (row["has"], row["known"]) for row in counts if row["name"]}


def test_masks_of_siim_and_targets_of_rsna(spark, publishers):
    siim = publishers / "siim-pneumothorax-train-rle.csv.gz"
    assert counted(spark, siim, dataset="siim") == {"Pneumothorax": (2669, 12047)}
    rsna = publishers / "kaggle_stage_2_train_labels.csv.zip"
    assert counted(spark, rsna, dataset="rsna") == {"Lung Opacity": (6012, 26684)}


@pytest.mark.slow
def test_most_of_three_readers_of_vindr(spark, publishers):
    found = counted(spark, publishers / "vinbigdata-train.csv.gz", dataset="vindr")
    assert {name: has for name, (has, _) in found.items()} == {
        "Aortic Enlargement": 2346,
        "Atelectasis": 62,
        "Calcification": 177,
        "Cardiomegaly": 1817,
        "Consolidation": 121,
        "Effusion": 634,
        "Fibrosis": 1017,
        "ILD": 152,
        "Infiltration": 245,
        "Lung Opacity": 547,
        "Nodule or Mass": 405,
        "Other Lesion": 362,
        "Pleural Thickening": 882,
        "Pneumothorax": 58,
    }
    assert {known for _, known in found.values()} == {15000}


@pytest.mark.slow
def test_findings_of_nih(spark, publishers):
    found = counted(spark, publishers / "Data_Entry_2017_v2020.csv.gz", dataset="nih")
    wanted = {"Infiltration": 19894, "Effusion": 13317, "Atelectasis": 11559, "Pneumonia": 1431}
    assert {name: found[name] for name in (*wanted, "Hernia")} == {
        name: (has, 112120) for name, has in {**wanted, "Hernia": 227}.items()
    }
    assert len(found) == 14


@pytest.mark.slow
def test_findings_of_nih_as_google_reads_them(spark, publishers):
    path = publishers / "google2019_nih-chest-xray-labels.csv.gz"
    found = counted(spark, path, dataset="nih_google")
    assert found == {
        "Fracture": (186, 4376),
        "Lung Opacity": (2166, 4376),
        "Nodule or Mass": (605, 4376),
        "Pneumothorax": (238, 4376),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "effusion", "pneumonia"),
    [
        # known: 0 or 1, or a blank beside "No Finding"
        ({}, 86187, 6039),
        ({"uncertain": ["positive"]}, 86187 + 11628, 6039 + 18770),
        ({"uncertain": ["Pneumonia=positive"], "blank": "negative"}, 86187, 6039 + 18770),
    ],
)
def test_findings_of_chexpert_by_policy(spark, publishers, settings, effusion, pneumonia):
    found = counted(spark, publishers / CHEXPERT, dataset="chexpert", **settings)
    assert (found["Effusion"][0], found["Pneumonia"][0]) == (effusion, pneumonia)
    assert (
        found["Support Devices"][0] - 1079 * ("positive" in settings.get("uncertain", [])) == 116001
    )
    assert len(found) == 13
    if "blank" in settings:
        assert found["Effusion"][1] == 223414 - 11628, "all but what is uncertain"


@pytest.mark.slow
def test_findings_of_padchest(spark, publishers):
    found = counted(spark, publishers / PADCHEST, dataset="padchest")
    wanted = {"Cardiomegaly": 15022, "Effusion": 9853, "Pneumonia": 7953, "scoliosis": 8333}
    assert {name: found[name][0] for name in wanted} == wanted
    assert "unchanged" not in found
