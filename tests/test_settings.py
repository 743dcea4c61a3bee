from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from spark_cxr import cli
from spark_cxr.config import checked, defaults, flagged_items
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.phantoms import FORMATS, MARKERS
from spark_cxr.settings import SECTIONS, Config

FIELDS = [(name, item) for name, section in SECTIONS.items() for item in fields(section)]


def read(key: str, raw: Any) -> Any:
    section, name = key.split(".")
    return checked(section, next(f for f in fields(SECTIONS[section]) if f.name == name), raw)


def refusal(key: str, raw: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(key, raw)
    return str(caught.value)


# What is read


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("run.seed", "12", 12),
        ("run.seed", 0, 0),
        ("run.seed", 2**63 - 1, 2**63 - 1),
        ("run.overwrite", True, True),
        ("run.overwrite", "False", False),
        ("run.out", "s3a://bucket/x", "s3a://bucket/x"),
        ("ingest.max_bad", "0.25", 0.25),
        ("ingest.max_bad", 1, 1.0),
        ("ingest.images", "a,b", ("a,b",)),
        ("ingest.images", ["a", "b"], ("a", "b")),
        ("ingest.images", [], ()),
        ("phantoms.formats", "png,jpeg", ("png", "jpeg")),
        ("phantoms.formats", " png , jpeg ,", ("png", "jpeg")),
        ("phantoms.formats", ["dicom"], ("dicom",)),
        ("train.classes", "", ()),
        ("train.classes", "No_findings,COVID-19", ("No_findings", "COVID-19")),
    ],
)
def test_value_is_read_as_its_field_wants_it(key: str, raw: Any, value: Any) -> None:
    assert read(key, raw) == value


def test_a_share_is_a_float_even_where_it_was_written_as_a_whole_number() -> None:
    assert isinstance(read("ingest.max_bad", 1), float)


# What is refused: type


@pytest.mark.parametrize("raw", ["many", "3.5", "", 3.5, True, None, [3], "nan"])
def test_no_whole_number_is_refused(raw: Any) -> None:
    assert refusal("phantoms.count", raw) == (
        f"Expected phantoms.count as a whole number. Received: phantoms.count={raw!r}. "
        "Write it like 3."
    )


@pytest.mark.parametrize("raw", ["half", "", True, None, [0.5], "nan", "inf", "-inf", "1e999"])
def test_no_number_is_refused(raw: Any) -> None:
    assert refusal("ingest.max_bad", raw) == (
        f"Expected ingest.max_bad as a number. Received: ingest.max_bad={raw!r}. Write it like 0.5."
    )


@pytest.mark.parametrize("raw", ["yes", "1", 1, 0, "", None, []])
def test_neither_true_nor_false_is_refused(raw: Any) -> None:
    assert refusal("run.overwrite", raw) == (
        f"Expected run.overwrite as true or false. Received: run.overwrite={raw!r}. "
        "Write true or false."
    )


@pytest.mark.parametrize("raw", [3, 0.5, True, None, ["a"], {"a": 1}])
def test_no_text_is_refused(raw: Any) -> None:
    assert refusal("run.out", raw) == (
        f"Expected run.out as text. Received: run.out={raw!r}. Put it in quotes."
    )


@pytest.mark.parametrize("raw", [3, None, [3], {"png": 1}, ["png", None]])
def test_no_names_are_refused(raw: Any) -> None:
    assert refusal("phantoms.formats", raw) == (
        "Expected phantoms.formats as names with commas between. "
        f"Received: phantoms.formats={raw!r}. Write them like a,b."
    )


@pytest.mark.parametrize("raw", ["", " ", [""], ["a", ""], 3, None, {"a": 1}, [3]])
def test_no_path_and_an_empty_one_are_refused(raw: Any) -> None:
    assert refusal("ingest.images", raw) == (
        f"Expected ingest.images as paths. Received: ingest.images={raw!r}. Name folders or files."
    )


# What is refused: choice and range


@pytest.mark.parametrize(
    ("key", "raw", "message"),
    [
        (
            "phantoms.formats",
            "png,jpg",
            "Expected phantoms.formats from png, jpeg, dicom. Received: phantoms.formats=jpg. "
            "Did you mean jpeg?",
        ),
        (
            "phantoms.formats",
            ",",
            "Expected phantoms.formats from png, jpeg, dicom. Received: phantoms.formats=. "
            "Known are: png, jpeg, dicom.",
        ),
        (
            "phantoms.marker",
            "sides",
            "Expected phantoms.marker from side, class, none. Received: phantoms.marker=sides. "
            "Did you mean side?",
        ),
        (
            "ingest.unmatched",
            "eror",
            "Expected ingest.unmatched from error, keep. Received: ingest.unmatched=eror. "
            "Did you mean error?",
        ),
        (
            "train.split",
            "film",
            "Expected train.split from patient, image, column:*, *.csv. "
            "Received: train.split=film. Known are: patient, image.",
        ),
    ],
)
def test_a_word_that_is_no_choice_is_refused(key: str, raw: str, message: str) -> None:
    assert refusal(key, raw) == message


LEAST_ONLY = {
    "phantoms.count": 1,
    "phantoms.bad": 0,
    "ingest.max_pixels": 1,
    "ingest.max_seconds": 0.1,
    "ingest.min_side": 1,
    "features.batch_size": 1,
    "train.resamples": 100,
    "train.least_positives": 1,
    "evaluate.resamples": 100,
    "evaluate.batch_size": 1,
    "train.tune_folds": 2,
    "train.parallelism": 1,
    "finetune.warm_epochs": 0,
    "finetune.epochs": 0,
    "finetune.calm_epochs": 0,
    "finetune.train_batch_size": 1,
    "finetune.patience": 0,
    "bench.rounds": 1,
    "bench.limit": 2,
    "audit.films_per_label": 0,
    "gate.far": 1.0,
    "score.interval": 0.1,
    "score.max_bytes_per_trigger": 1,
    "score.batch_size": 1,
    "drift.warn_distance": 0.0,
    "serve.max_image_pixels": 1,
    "serve.max_held_bytes": 1,
    "audit.warn_heat": 1.0,
    "audit.fail_heat": 1.0,
    "explain.limit": 0,
    "explain.scale": 0.0,
    "explain.longest": 0,
    "explain.boxes_size": 0,
    "explain.batch_size": 1,
}
LEAST_AND_MOST = {
    "run.seed": (0, 2**63 - 1, 1),
    "phantoms.size": (64, 4096, 1),
    "phantoms.unknown": (0, 1, 0.5),
    "phantoms.least_severity": (0, 1, 0.5),
    "ingest.max_bad": (0, 1, 0.5),
    "ingest.max_bytes": (1, 2_000_000_000, 1),
    "look.films_a_class": (0, 100_000, 1),
    "runs.queue": (0, 1000, 1),
    "pack.shard_bytes": (1, 2**40, 1),
    "ingest.likeness": (0.8, 1, 0.1),
    "features.network_size": (0, 16384, 1),
    "train.test_fraction": (0.01, 0.99, 0.001),
    "train.calibration_folds": (2, 20, 1),
    "train.coverage": (0, 0.999, 0.0005),
    "train.prevalence": (0, 1, 0.5),
    "compare.folds": (2, 20, 1),
    "finetune.dropout": (0, 0.95, 0.01),
    "finetune.learning_rate": (0, 10, 0.1),
    "finetune.warm_learning_rate": (0, 10, 0.1),
    "finetune.weight_decay": (0, 1, 0.5),
    "finetune.average": (0, 1, 0.5),
    "finetune.label_smoothing": (0, 0.9, 0.01),
    "finetune.focal_gamma": (0, 10, 0.5),
    "finetune.distil": (0, 100, 0.5),
    "finetune.val_fraction": (0.01, 0.5, 0.001),
    "finetune.augment": (0, 3, 0.5),
    "finetune.augment_rare": (1, 3, 0.5),
    "finetune.workers": (0, 1024, 1),
    "audit.examples": (0, 100, 1),
    "gate.false_alarms": (0.0001, 0.5, 0.00005),
    "watch.false_alarms": (0.0001, 0.5, 0.00005),
    "watch.reference": (2, 104, 1),
    "gate.colour": (0, 1, 0.5),
    "score.max_files_per_trigger": (1, 1_000_000, 1),
    "score.max_bytes": (1, 2_000_000_000, 1),
    "score.explain": (0, 100_000, 1),
    "train.explained": (0, 20, 1),
    "train.examples": (0, 3, 1),
    "explain.shown": (0, 50, 1),
    "phantoms.hospital": (1, 2, 1),
    "evaluate.prevalence": (0, 1, 0.5),
    "similar.count": (1, 50, 1),
    "drift.warn_share": (0, 1, 0.5),
    "drift.warn_confidence": (0, 1, 0.5),
    "drift.warn_unlike": (0, 1, 0.5),
    "audit.warn_way": (0, 1, 0.5),
    "audit.fail_way": (0, 1, 0.5),
    "audit.warn_association": (0, 1, 0.5),
    "audit.fail_association": (0, 1, 0.5),
    "audit.warn_changed": (0, 1, 0.5),
    "audit.fail_changed": (0, 1, 0.5),
    "audit.warn_alike": (0, 1, 0.5),
    "audit.fail_alike": (0, 1, 0.5),
    "audit.warn_ece": (0, 1, 0.5),
    "audit.fail_ece": (0, 1, 0.5),
    "serve.port": (0, 65535, 1),
    "serve.threads": (0, 1024, 1),
    "serve.max_body_bytes": (1, 2_000_000_000, 1),
    "serve.max_images": (1, 10_000, 1),
    "serve.max_connections": (1, 100_000, 1),
    "serve.max_client_connections": (1, 100_000, 1),
    "serve.max_waiting": (1, 100_000, 1),
    "serve.seconds": (0.1, 3600, 0.05),
    "serve.uncertain": (0, 1, 0.5),
    "load.seconds": (0.1, 3600, 0.05),
}


@pytest.mark.parametrize(("key", "least"), LEAST_ONLY.items())
def test_the_least_is_taken(key: str, least: int) -> None:
    assert read(key, least) == least


@pytest.mark.parametrize(("key", "least"), LEAST_ONLY.items())
def test_less_than_the_least_is_refused(key: str, least: int) -> None:
    assert refusal(key, least - 1) == (
        f"Expected {key} at least {least}. Received: {key}={least - 1}. Choose a value in range."
    )


@pytest.mark.parametrize(("key", "limits"), LEAST_AND_MOST.items())
def test_both_ends_of_a_range_are_taken(key: str, limits: tuple[float, float, float]) -> None:
    assert [read(key, end) for end in limits[:2]] == list(limits[:2])


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize(("key", "limits"), LEAST_AND_MOST.items())
def test_what_is_out_of_range_is_refused(
    key: str, limits: tuple[float, float, float], above: bool
) -> None:
    least, most, step = limits
    value = most + step if above else least - step
    assert refusal(key, value) == (
        f"Expected {key} at least {least} and at most {most}. Received: {key}={value}. "
        "Choose a value in range."
    )


def test_every_field_with_a_range_stands_in_these_tables() -> None:
    ranged = {f"{name}.{item.name}" for name, item in FIELDS if "least" in item.metadata}
    assert ranged == {*LEAST_ONLY, *LEAST_AND_MOST}


def test_formats_are_those_that_phantoms_can_draw() -> None:
    assert read("phantoms.formats", list(FORMATS)) == tuple(FORMATS)


def test_markers_are_those_that_phantoms_can_draw() -> None:
    assert [read("phantoms.marker", marker) for marker in MARKERS] == list(MARKERS)


# The records


def test_every_section_is_a_field_of_config_and_back() -> None:
    assert [item.name for item in fields(Config)] == list(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_settings_cannot_be_changed(section: str) -> None:
    record = getattr(defaults(), section)
    with pytest.raises(FrozenInstanceError):
        setattr(record, fields(record)[0].name, "x")


@pytest.mark.parametrize("verb", cli.names())
def test_no_two_flags_of_a_job_have_one_name(verb: str) -> None:
    names = [item.name for _, item in flagged_items(cli.get(verb).sections)]
    assert sorted(set(names)) == sorted(names)


# The nearest good word


def test_nearest_names_the_word_that_was_probably_meant() -> None:
    assert nearest("lables", ("images", "labels", "dataset")) == "Did you mean labels?"


def test_nearest_lists_all_words_where_none_is_near() -> None:
    assert nearest("zzz", ("lr", "rf")) == "Known are: lr, rf"
