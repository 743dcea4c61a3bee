import pickle
from pathlib import Path

import pytest

import spark_cxr.errors as errors
from spark_cxr.errors import (
    REASONS,
    BadImage,
    ConfigError,
    InputError,
    OutputError,
    SetupError,
    SparkCxrError,
)

BUILTINS = {
    ConfigError: ValueError,
    InputError: ValueError,
    OutputError: OSError,
    SetupError: RuntimeError,
}


@pytest.mark.parametrize("error", BUILTINS)
def test_text_is_expected_received_way_out(error: type[SparkCxrError]) -> None:
    raised = error("a folder", "--out=x", "Choose another")
    assert str(raised) == "Expected a folder. Received: --out=x. Choose another."


@pytest.mark.parametrize(("error", "builtin"), BUILTINS.items())
def test_error_is_the_builtin_it_refines(
    error: type[SparkCxrError], builtin: type[Exception]
) -> None:
    assert issubclass(error, SparkCxrError)
    assert issubclass(error, builtin)


@pytest.mark.parametrize("error", BUILTINS)
def test_error_comes_back_whole_from_another_process(error: type[SparkCxrError]) -> None:
    back = pickle.loads(pickle.dumps(error("a", "b", "c")))
    assert (type(back), str(back)) == (error, "Expected a. Received: b. c.")


def test_a_question_as_way_out_gets_no_full_stop() -> None:
    assert str(ConfigError("a", "b", "Did you mean c?")) == (
        "Expected a. Received: b. Did you mean c?"
    )


def test_a_sentence_as_way_out_keeps_its_one_full_stop() -> None:
    assert str(ConfigError("a", "b", "Do c.")) == "Expected a. Received: b. Do c."


def test_bad_image_reads_like_a_row_of_the_quarantine() -> None:
    assert str(BadImage("too_small", "8 x 8, limit 32")) == "too_small: 8 x 8, limit 32"


def test_bad_image_comes_back_whole_from_another_process() -> None:
    back = pickle.loads(pickle.dumps(BadImage("empty", "0 bytes")))
    assert (type(back), back.reason, back.detail) == (BadImage, "empty", "0 bytes")


def test_bad_image_is_a_value_error() -> None:
    assert issubclass(BadImage, ValueError)


def test_bad_image_refuses_a_reason_that_is_not_on_the_list() -> None:
    with pytest.raises(KeyError, match=r"^'blurred'$"):
        BadImage("blurred", "")


def test_reasons_are_those_of_the_issue() -> None:
    assert set(REASONS) == {
        "empty",
        "truncated",
        "corrupt",
        "not_an_image",
        "unsupported_transfer_syntax",
        "unsupported_photometric",
        "no_pixel_data",
        "multi_frame",
        "too_small",
        "too_large",
        "out_of_memory",
        "too_slow",
        "ended_its_reader",
        "unreadable",
    }


def test_the_tree_on_top_of_the_file_shows_every_error() -> None:
    source = Path(errors.__file__).read_text(encoding="utf-8")
    drawn = source.split('"""')[1]
    classes = [line[6:].split("(")[0] for line in source.splitlines() if line.startswith("class ")]
    assert [name for name in classes if name not in drawn] == []
