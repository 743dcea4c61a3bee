"""Label files that say several findings of a film, read into the label matrix."""

from dataclasses import replace

import pytest

from spark_cxr.config import defaults
from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.pipeline.finding_names import FindingNames
from spark_cxr.pipeline.finding_policy import FindingPolicy, policy_of
from spark_cxr.pipeline.label_match import check_labels, check_one_label
from spark_cxr.pipeline.label_table import read_labels

ALL = FindingPolicy(("all",))


def matrix(spark, tmp_path, text, policy=ALL, dataset=None):
    """Read a label file; give label and findings by key."""
    path = tmp_path / "labels.csv"
    path.write_text(text)
    rows = read_labels(spark, str(path), dataset or Dataset("x"), b"k", policy)
    check_labels(rows, str(path))
    return {row["key"]: (row["label"], row["findings"]) for row in rows.collect()}


NIH = """Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender
a.png,Cardiomegaly|Pleural_Thickening,1,57,M
b.png,No Finding,2,058Y,F
c.png,Effusion,3,414,Female
d.png,,4,11M,x
"""


def test_findings_joined_by_bars_are_true_and_the_others_false(spark, tmp_path):
    found = matrix(spark, tmp_path, NIH)
    assert found["a.png"] == (
        "Cardiomegaly|Pleural Thickening",
        {"Cardiomegaly": True, "Effusion": False, "Pleural Thickening": True},
    )
    assert found["b.png"] == (
        "No Finding",
        {"Cardiomegaly": False, "Effusion": False, "Pleural Thickening": False},
    )
    assert found["c.png"][0] == "Effusion"
    assert found["d.png"] == (None, None), "an empty cell says nothing"


def test_an_empty_cell_can_count_as_none(spark, tmp_path):
    policy = FindingPolicy(("Effusion",), blank="negative")
    assert matrix(spark, tmp_path, NIH, policy)["d.png"] == ("No Finding", {"Effusion": False})


def test_age_and_sex_are_read_and_mistakes_are_not(spark, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(NIH + "e.png,Effusion,5,95,m\n")
    rows = read_labels(spark, str(path), Dataset("x"), b"k", ALL).collect()
    assert [(row["age"], row["sex"]) for row in sorted(rows)] == [
        *((57, "M"), (58, "F"), (None, "F"), (0, None), (90, "M"))
    ]


def test_only_findings_that_are_wanted_are_kept_by_any_of_their_names(spark, tmp_path):
    found = matrix(spark, tmp_path, NIH, FindingPolicy(("pleural effusion",)))
    assert found["a.png"] == ("No Finding", {"Effusion": False})


def test_a_finding_that_the_file_lacks_is_refused_with_the_nearest(spark, tmp_path):
    with pytest.raises(InputError) as error:
        matrix(spark, tmp_path, NIH, FindingPolicy(("Effusions of all kinds", "Cardiomegali")))
    assert str(error.value) == (
        "Expected --findings of the label file. Received: Cardiomegali. Did you mean Cardiomegaly?"
    )


def test_a_list_as_text_is_read_like_joined_findings(spark, tmp_path):
    policy = FindingPolicy(("all",), ignored=("unchanged",))
    text = """ImageID,Labels
a.png,"['pleural effusion', ' nodule', ""Chilaiditi's sign""]"
b.png,['normal']
c.png,['unchanged']
d.png,"['infiltrates', 'unchanged']"
"""
    found = matrix(spark, tmp_path, text, policy)
    none = dict.fromkeys(("Chilaiditi's sign", "Effusion", "Infiltration", "Nodule"), False)
    assert found == {
        "a.png": (
            "Chilaiditi's sign|Effusion|Nodule",
            none | {"Chilaiditi's sign": True, "Effusion": True, "Nodule": True},
        ),
        "b.png": ("No Finding", none),
        "c.png": (None, None),
        "d.png": ("Infiltration", none | {"Infiltration": True}),
    }


CHEXPERT = """Path,Sex,Age,No Finding,Edema,Pleural Effusion,Support Devices
a.jpg,Female,68,1.0,,-1.0,
b.jpg,Male,70,,1.0,0.0,1.0
c.jpg,Male,70,,-1.0,-1.0,
d.jpg,Male,70,,,,
"""


def cells(spark, tmp_path, text=CHEXPERT, **policy):
    found = matrix(spark, tmp_path, text, FindingPolicy(("all",), **policy))
    return {key: answer[1] for key, answer in found.items()}


def test_a_column_a_finding_says_yes_no_or_nothing(spark, tmp_path):
    assert cells(spark, tmp_path) == {
        "a.jpg": {"Edema": False},  # no finding, but what is stated as uncertain, and no devices
        "b.jpg": {"Edema": True, "Effusion": False, "Support Devices": True},
        "c.jpg": None,
        "d.jpg": None,
    }


def test_uncertain_cells_count_as_the_policy_of_the_finding_says(spark, tmp_path):
    found = cells(spark, tmp_path, uncertain={"": "negative", "Edema": "positive"})
    assert found["c.jpg"] == {"Edema": True, "Effusion": False}
    assert found["a.jpg"] == {"Edema": False, "Effusion": False}


def test_blank_cells_can_count_as_negative(spark, tmp_path):
    found = cells(spark, tmp_path, blank="negative")
    assert found["d.jpg"] == {"Edema": False, "Effusion": False, "Support Devices": False}
    assert found["c.jpg"] == {"Support Devices": False}, "what is uncertain is not blank"


def test_yes_and_no_and_true_and_false_are_read_too(spark, tmp_path):
    text = "image,Fracture,Nodule or mass,Silicosis,room\na,YES,no,True,7\nb,NO,,False,1\n"
    assert cells(spark, tmp_path, text) == {
        "a": {"Fracture": True, "Nodule or Mass": False, "Silicosis": True},
        "b": {"Fracture": False, "Silicosis": False},
    }


def test_two_columns_of_one_finding_say_yes_if_one_does(spark, tmp_path):
    text = "image,Effusion,pleural effusion\na,0,1\nb,0,\nc,,\n"
    assert cells(spark, tmp_path, text) == {
        "a": {"Effusion": True},
        "b": {"Effusion": False},
        "c": None,
    }


def test_a_column_called_like_a_finding_that_says_something_else_is_refused(spark, tmp_path):
    with pytest.raises(InputError, match=r"1, 0, -1, yes, no or nothing for a finding.*1 others"):
        cells(spark, tmp_path, "image,Edema,Effusion\na,1,perhaps\n")


VINDR = """image_id,class_name,rad_id,x_min
a,Cardiomegaly,R1,1
a,Cardiomegaly,R1,5
a,Cardiomegaly,R2,1
a,Nodule/Mass,R2,1
a,No finding,R3,
b,No finding,R1,
"""


@pytest.mark.parametrize(
    ("agreement", "label"),
    [
        ("any", "Cardiomegaly|Nodule or Mass"),
        ("majority", "Cardiomegaly"),
        ("all", "No Finding"),
    ],
)
def test_readers_agree_by_majority_any_or_all(spark, tmp_path, agreement, label):
    found = matrix(spark, tmp_path, VINDR, FindingPolicy(("all",), agreement=agreement))
    assert found["a"][0] == label
    assert found["b"] == ("No Finding", {"Cardiomegaly": False, "Nodule or Mass": False})


def test_rows_of_boxes_that_say_one_or_nought_are_of_one_finding(spark, tmp_path):
    dataset = Dataset(
        *("x",), key_column="id", label_column="Target", findings="rows", finding="Lung Opacity"
    )
    text = "id,x,Target\na,1,1\na,2,1\nb,,0\n"
    found = matrix(spark, tmp_path, text, dataset=dataset)
    assert found == {
        "a": ("Lung Opacity", {"Lung Opacity": True}),
        "b": ("No Finding", {"Lung Opacity": False}),
    }


def test_run_lengths_say_which_films_have_the_one_finding(spark, tmp_path):
    text = "ImageId, EncodedPixels\na,-1\nb,557 2 1015 8\nb,12 3\nc,\n"
    assert matrix(spark, tmp_path, text, FindingPolicy(("pneumothorax",))) == {
        "a": ("No Finding", {"Pneumothorax": False}),
        "b": ("Pneumothorax", {"Pneumothorax": True}),
        "c": (None, None),
    }
    with pytest.raises(InputError, match="Give --findings NAME"):
        matrix(spark, tmp_path, text)


# One label a film, as ever


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a,Edema|Mass\nb,Edema\n", "1 rows with Edema|Mass"),
        ("a,Edema|Mass\nb,Mass|Nodule\nc,Mass|Nodule\n", "2 rows with Mass|Nodule"),
    ],
)
def test_joined_labels_stop_a_run_of_one_label_and_name_the_flag(spark, tmp_path, text, labels):
    path = tmp_path / "labels.csv"
    path.write_text(f"file,label\n{text}")
    rows = read_labels(spark, str(path), Dataset("x"), b"k")
    assert {row["findings"] for row in rows.collect()} == {None}
    with pytest.raises(InputError) as error:
        check_one_label(rows, "f.csv")
    assert str(error.value) == (
        f"Expected one label a film. Received: f.csv: {labels}. "
        "Add --findings for several findings a film."
    )


def test_one_label_that_has_a_bar_in_it_is_a_label(spark, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\na,x|y\nb,x|y\nc,z\n")
    check_one_label(read_labels(spark, str(path), Dataset("x"), b"k"), "f.csv")


def test_a_column_a_finding_is_refused_in_a_run_of_one_label_with_the_flag(spark, tmp_path):
    with pytest.raises(InputError, match="or take a column for each finding with --findings"):
        matrix(spark, tmp_path, CHEXPERT.replace("Path", "path"), policy=None)


# The policy


def policy(dataset=None, **settings):
    ingest = replace(defaults().ingest, **settings)
    return policy_of(ingest, dataset or Dataset("x"), FindingNames())


def test_without_findings_there_is_no_policy():
    assert policy() is None


def test_flags_count_before_what_the_data_set_says():
    known = Dataset("x", uncertain=("negative", "Edema=positive"), blank="negative")
    found = policy(
        known, findings=("all",), uncertain=("pleural effusion=positive", "oedema=unknown")
    )
    assert found.uncertain == {"": "negative", "Edema": "unknown", "Effusion": "positive"}
    assert found.blank == "negative"
    assert policy(known, findings=("all",), blank="unknown").blank == "unknown"
    assert policy(findings=("all",)).of_uncertain("Edema") == "unknown"


def test_a_word_of_no_meaning_is_refused():
    with pytest.raises(ConfigError) as error:
        policy(findings=("all",), uncertain=("Edema=positiv",))
    assert str(error.value) == (
        "Expected --uncertain as unknown, positive, negative, or FINDING=WORD. "
        "Received: Edema=positiv. Did you mean positive?"
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        *(("Pleural_Thickening", "Pleural Thickening"), ("pleural  effusion", "Effusion")),
        *(("No finding", "No Finding"), ("normal", "No Finding"), ("Odd  thing", "Odd thing")),
    ],
)
def test_names_are_brought_down_to_one(written, name):
    assert FindingNames().of(written) == name


def test_the_first_spelling_of_an_unknown_name_stands_for_all():
    names = FindingNames({"derrame": "Effusion"})
    assert [names.of(n) for n in ("rib_notch", "Rib notch", "Derrame")] == [
        *("rib_notch", "rib_notch", "Effusion")
    ]
