import re
import tomllib
from pathlib import Path

import pytest

from spark_cxr import datasets
from spark_cxr.config import conf_dir
from spark_cxr.datasets import Dataset, LabelRule, PublishedResult
from spark_cxr.errors import ConfigError


def described(folder: Path, text: str) -> Dataset:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return datasets.get(str(path))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        described(folder, text)
    return str(caught.value)


def label(name: str, written: str) -> str | None:
    """Read a publisher's word with the first rule that matches."""
    rules = datasets.get(name).rules
    return next((rule.label for rule in rules if re.search(rule.match, written)), None)


# The sets of the field


def test_the_public_sets_are_described() -> None:
    assert datasets.names() == (
        *("brax", "chexpert", "chexpert_plus", "cohen", "covidx", "indiana", "kermany", "mimic"),
        *("nih", "nih_google", "ozturk", "padchest", "radiography", "rsna", "siim", "vindr"),
    )


@pytest.mark.parametrize(
    ("name", "path", "patient"),
    [
        ("kermany", "/k/train/PNEUMONIA/person12_bacteria_3.jpeg", "person12"),
        ("kermany", "/k/test/NORMAL/IM-0115-0001.jpeg", "IM-0115"),
        ("kermany", "/k/test/NORMAL/NORMAL2-IM-0115-0001.jpeg", "NORMAL2-IM-0115"),
        ("chexpert", "/c/train/patient00001/study1/view1_frontal.jpg", "patient00001"),
    ],
)
def test_a_path_names_the_patient(name: str, path: str, patient: str) -> None:
    found = re.search(datasets.get(name).patient_regex, path)
    assert found is not None
    assert found[1] == patient


@pytest.mark.parametrize(
    ("name", "path", "side"),
    [
        ("kermany", "/k/val/normal/a.jpeg", "val"),
        ("covidx", "/c/test/a b.png", "test"),
        ("chexpert", "/c/valid/patient00001/study1/view1_frontal.jpg", "valid"),
    ],
)
def test_a_path_names_the_side_of_the_official_split(name: str, path: str, side: str) -> None:
    found = re.search(datasets.get(name).split_regex, path)
    assert found is not None
    assert found[1] == side


def test_pneumonia_of_kermany_is_read_with_germ_and_without() -> None:
    folders = ("NORMAL", "PNEUMONIA", "Viral Pneumonia", "bacterial_pneumonia")
    wanted = ["Normal", "Pneumonia", "Viral Pneumonia", "Bacterial Pneumonia"]
    assert [label("kermany", folder) for folder in folders] == wanted


def test_all_names_of_a_set_are_read_at_once() -> None:
    titles = [each.name for each in datasets.get_all("nih=/a,chexpert=/b")]
    assert titles == ["nih", "chexpert"]
    assert datasets.get_all("") == ()


@pytest.mark.parametrize("name", datasets.names())
def test_set_names_title_address_licence_and_citation(name: str) -> None:
    known = datasets.get(name)
    assert "" not in (known.title, known.licence, known.citation)
    assert known.url.startswith("https://")


@pytest.mark.parametrize("name", datasets.names())
def test_description_holds_what_the_file_says(name: str) -> None:
    text = (conf_dir() / "datasets" / f"{name}.toml").read_text(encoding="utf-8")
    known = datasets.get(name)
    written = {key: v for key, v in tomllib.loads(text).items() if isinstance(v, str)}
    assert {key: getattr(known, key) for key in written} == written


@pytest.mark.parametrize(
    ("finding", "wanted"),
    [
        ("Pneumonia/Viral/COVID-19", "COVID-19"),
        ("COVID-19, ARDS", "COVID-19"),
        ("Pneumonia/Bacterial/Streptococcus", "Pneumonia"),
        ("Pneumonia", "Pneumonia"),
        ("Tuberculosis", "Tuberculosis"),
        ("No Finding", "No_findings"),
        ("todo", None),
        ("Unknown", None),
    ],
)
def test_finding_of_cohen_becomes_its_most_particular_label(
    finding: str, wanted: str | None
) -> None:
    assert label("cohen", finding) == wanted


def test_cohen_keeps_films_and_leaves_volumes_out() -> None:
    assert datasets.get("cohen").keep == (("modality", ("X-ray",)),)


def test_patient_of_ozturk_is_that_of_the_nih_file_name() -> None:
    found = re.search(datasets.get("ozturk").patient_regex, "/d/Pneumonia/00000013_005.png")
    assert found is not None
    assert found[1] == "00000013"


def test_covid_file_of_ozturk_names_no_patient() -> None:
    known = datasets.get("ozturk")
    assert re.search(known.patient_regex, "/d/Covid-19/01E392EE-69F9-4E33.jpeg") is None


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        ("COVID", "COVID"),
        ("COVID-19", "COVID"),
        ("Lung_Opacity", "Lung_Opacity"),
        ("Normal", "Normal"),
        ("Viral Pneumonia", "Viral Pneumonia"),
        ("metadata", None),
    ],
)
def test_folder_of_radiography_becomes_its_class(folder: str, wanted: str | None) -> None:
    assert label("radiography", folder) == wanted


def test_masks_of_radiography_are_left_out() -> None:
    pattern = datasets.get("radiography").leave_out
    paths = ["/d/COVID/masks/COVID-1.png", "/d/COVID/images/COVID-1.png"]
    assert [bool(re.search(pattern, path)) for path in paths] == [True, False]


# A description of one's own


def test_file_of_ones_own_is_named_after_itself(tmp_path: Path) -> None:
    assert described(tmp_path, "") == Dataset(name="mine")


def test_rules_keep_their_order(tmp_path: Path) -> None:
    text = '[[rules]]\nmatch = "b"\nlabel = "B"\n[[rules]]\nmatch = "a"\nlabel = "A"\n'
    assert described(tmp_path, text).rules == (LabelRule("b", "B"), LabelRule("a", "A"))


def test_unknown_name_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(ConfigError) as caught:
        datasets.get("cohn")
    assert str(caught.value) == (
        "Expected ingest.dataset by name, or a TOML file. Received: ingest.dataset=cohn. "
        "Did you mean cohen?"
    )


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        datasets.get(str(path))
    assert str(caught.value) == (
        f"Expected a description of a data set. Received: {path} (No such file or directory). "
        "Check --dataset."
    )


def test_unknown_key_is_refused_and_the_nearest_named(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'lables = "folder"') == (
        "Expected a key of a data set in mine.toml. Received: lables. Did you mean labels?"
    )


def test_value_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "title = 3") == (
        "Expected title of mine.toml as text. Received: title=3. Put it in quotes."
    )


@pytest.mark.parametrize("key", ["label_regex", "patient_regex", "leave_out"])
def test_pattern_that_is_no_regular_expression_is_refused(tmp_path: Path, key: str) -> None:
    assert refusal(tmp_path, f"{key} = '('") == (
        f"Expected {key} of mine.toml as a regular expression. Received: {key}=( "
        "(missing ), unterminated subpattern at position 0). "
        "Put a backslash before (, [, * and the like."
    )


def test_unmatched_of_another_kind_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, 'unmatched = "keeps"') == (
        "Expected unmatched of mine.toml from error, keep. Received: unmatched=keeps. "
        "Did you mean keep?"
    )


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ('findings = "rowes"', "findings=rowes. Did you mean rows?"),
        ('blank = "zero"', "blank=zero. Known are: unknown, negative."),
        ('uncertain = "unknown"', "uncertain='unknown'. Write it like uncertain ="),
        ("[synonyms]\na = 1", "synonyms={'a': 1}. Write it like"),
        ('[[joins]]\nfile = "a.csv"', "joins={'file': 'a.csv'}. See conf/datasets/mimic.toml."),
        ('optional_columns = ["a"]', "optional_columns. Did you mean"),
    ],
)
def test_what_is_said_of_findings_is_checked(tmp_path: Path, text: str, received: str) -> None:
    assert f"Received: {received}" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("keep = 3", "3"),
        ('[keep]\nview = "PA"', "{'view': 'PA'}"),
        ("[keep]\nview = [1]", "{'view': [1]}"),
    ],
)
def test_keep_of_another_form_is_refused(tmp_path: Path, text: str, received: str) -> None:
    assert refusal(tmp_path, text) == (
        "Expected [keep] of mine.toml with a list of values for each column. "
        f'Received: keep={received}. Write it like modality = ["X-ray"].'
    )


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("rules = 3", "3"),
        ("rules = [3]", "3"),
        ('[[rules]]\nmatch = "a"', "{'match': 'a'}"),
        ('[[rules]]\nmatch = "a"\nlabel = 1', "{'match': 'a', 'label': 1}"),
        (
            '[[rules]]\nmatch = "a"\nlabel = "A"\nother = "b"',
            "{'match': 'a', 'label': 'A', 'other': 'b'}",
        ),
    ],
)
def test_rule_of_another_form_is_refused(tmp_path: Path, text: str, received: str) -> None:
    assert refusal(tmp_path, text) == (
        "Expected [[rules]] of mine.toml with match and label as text. "
        f"Received: rules={received}. See conf/datasets/cohen.toml."
    )


def test_rule_that_is_no_regular_expression_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, '[[rules]]\nmatch = "["\nlabel = "A"') == (
        "Expected match of mine.toml as a regular expression. Received: match=[ "
        "(unterminated character set at position 0). "
        "Put a backslash before (, [, * and the like."
    )


# What others reported

PUBLISHED = """
[[published]]
who = "Somebody 2020"
task = "two classes"
accuracy = 0.9
split = "by image"
source = "A Journal 1:2"
"""


def test_published_figures_are_read(tmp_path: Path) -> None:
    found = described(tmp_path, PUBLISHED).published

    assert found == (
        PublishedResult("Somebody 2020", "two classes", 0.9, "by image", "A Journal 1:2"),
    )


def test_published_figures_of_ozturk_are_those_of_its_paper() -> None:
    figures = {each.task: each.accuracy for each in datasets.get("ozturk").published}

    assert figures == {"three classes": 0.8702, "COVID-19 against no findings": 0.9808}


@pytest.mark.parametrize("name", datasets.names())
def test_published_figures_name_split_and_source(name: str) -> None:
    assert all(each.split and each.source for each in datasets.get(name).published)


@pytest.mark.parametrize(
    ("text", "received"),
    [
        (PUBLISHED.replace("0.9", "90.5"), "90.5"),
        (PUBLISHED.replace("0.9", '"0.9"'), "'0.9'"),
        (PUBLISHED.replace('split = "by image"', ""), "'source': 'A Journal 1:2'"),
        ('published = "much"', "'much'"),
    ],
)
def test_published_figure_of_another_form_is_refused(
    tmp_path: Path, text: str, received: str
) -> None:
    refused = refusal(tmp_path, text)

    assert "[[published]] of mine.toml with accuracy, source, split, task, who" in refused
    assert received in refused
    assert "Write the accuracy as a share" in refused
