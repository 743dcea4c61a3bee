"""Cards that are too large, or hold values of kinds that nobody expects: one line each."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from spark_cxr.backbones.card import Card, read_card
from spark_cxr.backbones.user_network import find
from spark_cxr.errors import ConfigError, SparkCxrError
from tests import tiny_onnx

FIT_CARD = '[input]\nscale = 1\n[output]\npooling = "tokens"\n'
VALUES = (
    *('""', '"x"', '"\\u0000\\n"', "true", "0", "-1", "7", "9223372036854775808", "1e300"),
    *("0.5", "nan", "inf", "[]", "[[]]", "[16, 16]", '["x"]', "[1, 2, 3, 4]", "[nan]"),
    *("1979-05-27T07:32:00Z", "07:32:00", "{ x = 1 }"),
)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_onnx.tokens())
    return path


def refusal(path: Path) -> str:
    """Find a network; give the line that refuses it, or nothing."""
    try:
        find(str(path))
    except SparkCxrError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(item.name for item in fields(Card)))
def test_a_value_of_any_kind_is_taken_or_refused_in_a_line(graph: Path, name: str) -> None:
    lines = []
    for value in VALUES:
        kept = [line for line in FIT_CARD.splitlines() if not line.startswith(f"{name} =")]
        graph.with_suffix(".toml").write_text("\n".join([*kept, f"{name} = {value}"]))
        lines.append(refusal(graph))
    assert all("\n" not in line and len(line) < 900 for line in lines)
    assert sum(map(bool, lines)) >= len(VALUES) // 2


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("prefix = 17", r"patches behind the prefix\. Received: tiny\.onnx: 17 tokens, prefix 17"),
        ("patch = 16385", "a patch of 1 to 16384 pixels"),
        ("edge = 16385", "an edge of 0 to 16384 pixels"),
    ],
)
def test_numbers_that_no_network_has_are_refused(graph: Path, entry: str, expected: str) -> None:
    graph.with_suffix(".toml").write_text(FIT_CARD + entry)
    with pytest.raises(SparkCxrError, match=expected):
        find(str(graph))


@pytest.mark.parametrize("beside", ["own.toml", "preprocessor_config.json", "config.json"])
@pytest.mark.parametrize("size", [50 << 20, 1 << 36])
def test_of_a_huge_file_only_the_beginning_is_read(graph: Path, beside: str, size: int) -> None:
    """The larger one has a hole, and would not fit into memory."""
    huge = graph.with_name(beside.replace("own", graph.stem))
    with huge.open("wb") as stream:
        stream.write(b"# ")
        stream.truncate(size)
    with pytest.raises(ConfigError, match="a card of at most 1048576 bytes"):
        find(str(graph))


BESIDE = {
    "preprocessor_config.json": {
        "size": {"height": 16, "width": 16},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "rescale_factor": 0.1,
        "resample": 2,
        "do_center_crop": True,
        "crop_size": 16,
    },
    "config.json": {
        "input_size": [3, 16, 16],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "crop_pct": 0.9,
        "interpolation": "bicubic",
        "crop_mode": "center",
        "license": "MIT",
    },
}


@pytest.mark.parametrize("beside", BESIDE)
def test_what_lies_beside_a_network_is_taken_or_refused_in_a_line(graph: Path, beside: str) -> None:
    for name in BESIDE[beside]:
        for value in (None, True, -1, 0, 1e-320, 1e300, "", "x", [], [[]], ["x"], {}, {"x": []}):
            graph.with_name(beside).write_text(json.dumps({**BESIDE[beside], name: value}))
            line = refusal(graph)
            assert "\n" not in line
            assert len(line) < 900


def test_a_card_that_is_a_folder_is_refused_in_a_line(graph: Path) -> None:
    with pytest.raises(ConfigError, match="a card that can be read"):
        read_card(graph.parent)
