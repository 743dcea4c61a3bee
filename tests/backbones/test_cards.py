"""The cards that ship; `make test-networks` holds them against the networks' own libraries."""

import re
import tomllib
from pathlib import Path

import pytest

from spark_cxr.images.fit import Fit, shown_box

ROOT = Path(__file__).resolve().parents[2]
CARDS = {path.stem: path for path in sorted((ROOT / "spark_cxr/backbones/cards").glob("*.toml"))}
GUIDE = (ROOT / "docs/guides/networks.md").read_text(encoding="utf-8")
DEFAULTS = (("mean", 0), ("std", 1))


def card(name: str) -> dict:
    return tomllib.loads(CARDS[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CARDS)
def test_a_card_says_how_films_are_shown_and_what_comes_out(name):
    given = card(name)
    assert set(given) == {"input", "output", "about"}
    assert {"size", "channels", "scale", "fit", "resample", "rounded"} <= set(given["input"])
    assert {"vector", "pooling"} <= set(given["output"])
    assert set(given["about"]) == {"name", "licence", "citation", "source"}
    assert all(given["about"].values())


@pytest.mark.parametrize("name", CARDS)
def test_a_cards_fit_can_be_done(name):
    given = card(name)["input"]
    keys = {"edge", "resample", "rounded"} & set(given)
    fit = Fit(tuple(given["size"]), given["fit"], **{key: given[key] for key in keys})
    top, left, bottom, right = shown_box(fit, (2991, 2004))
    assert (top + bottom) / 2 == pytest.approx(2991 / 2, abs=6)
    assert (left + right) / 2 == pytest.approx(2004 / 2, abs=6)


@pytest.mark.parametrize("name", CARDS)
def test_black_and_white_come_out_where_networks_expect_them(name):
    given = card(name)["input"]
    for mean, std in zip(*(listed(given.get(key, rest)) for key, rest in DEFAULTS), strict=True):
        black, white = (
            (level * given["scale"] + given.get("offset", 0) - mean) / std for level in (0, 255)
        )
        expected = (-1024, 1024) if given["channels"] == 1 else (-mean / std, (1 - mean) / std)
        assert (black, white) == pytest.approx(expected)


def listed(value: float | list[float]) -> list[float]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", CARDS)
def test_the_guide_has_each_card_its_export_and_its_figure(name):
    given = card(name)
    (call,) = re.findall(rf'save\(.*"{name}\.onnx", (\d+), (\d), (\[.*?\])\)', GUIDE)
    assert [int(call[0])] * 2 == given["input"]["size"]
    assert int(call[1]) == given["input"]["channels"]
    keys = {"vector", "maps", "answers"} & set(given["output"])
    assert all(f'"{given["output"][key]}"' in call[2] for key in keys)
    assert GUIDE.count(f"| `{name}` |") == 2


def test_findings_of_torchxrayvision_are_eighteen_different_ones():
    lists = [card(name)["output"]["labels"] for name in CARDS if name.startswith("torchxray")]
    assert len(lists) == 2
    assert lists[0] == lists[1]
    assert len(set(lists[0])) == 18
