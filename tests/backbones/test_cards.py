"""The cards that ship; `make test-networks` holds them against the networks' own libraries."""

import re
from pathlib import Path

import pytest

from spark_cxr.backbones.card import Card, read_card
from spark_cxr.images.fit import shown_box

ROOT = Path(__file__).resolve().parents[2]
CARDS = {path.stem: read_card(path) for path in (ROOT / "spark_cxr/backbones/cards").glob("*.toml")}
EXPORTED = sorted(name for name, card in CARDS.items() if not card.sha256)
"""Those of the guide; others speak of one file alone."""
GUIDE = (ROOT / "docs/networks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_names_its_origin(card: Card) -> None:
    assert all((card.name, card.licence, card.citation, card.source, card.vector))


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_middle_of_a_film_is_the_middle_of_what_the_network_sees(card: Card) -> None:
    top, left, bottom, right = shown_box(card.fit_to(card.size), (2991, 2004))
    assert (top + bottom) / 2 == pytest.approx(2991 / 2, abs=6)
    assert (left + right) / 2 == pytest.approx(2004 / 2, abs=6)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_black_and_white_come_out_where_networks_expect_them(card: Card) -> None:
    for mean, std in zip(card.mean, card.std, strict=True):
        black, white = ((level * card.scale + card.offset - mean) / std for level in (0, 255))
        expected = (-1024, 1024) if card.channels == 1 else (-mean / std, (1 - mean) / std)
        assert (black, white) == pytest.approx(expected)


@pytest.mark.parametrize("name", EXPORTED)
def test_the_guide_has_each_card_its_export_and_its_figure(name: str) -> None:
    card = CARDS[name]
    (call,) = re.findall(rf'save\(.*"{name}\.onnx", (\d+), (\d), (\[.*?\])\)', GUIDE)
    assert (int(call[0]),) * 2 == card.size
    assert int(call[1]) == card.channels
    outputs = {card.vector, card.maps, card.answers} - {""}
    assert all(f'"{output}"' in call[2] for output in outputs)
    assert GUIDE.count(f"| `{name}` |") == 2


def test_findings_of_torchxrayvision_are_eighteen_different_ones() -> None:
    labels = [CARDS[name].labels for name in EXPORTED if name.startswith("torchxrayvision")]
    assert len(labels) == 2
    assert labels[0] == labels[1]
    assert len(set(labels[0])) == 18
