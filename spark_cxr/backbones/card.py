"""What must be said of a network that comes as a bare graph: its card.

A graph says which numbers go in and come out, and not what they mean: how grey levels become its
input, what of a film it is to see, which output is the vector. That stands in a card: `x.toml`
beside `x.onnx`, one that ships with spark_cxr, words of the command line, or what Hugging Face and
timm write beside a network. A card is data; nothing in it is ever run.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from math import isqrt
from pathlib import Path
from typing import Any

from spark_cxr.config import folder_of
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.images.fit import FRAMES, RESAMPLERS, Fit
from spark_cxr.records import read_record

SECTIONS = ("input", "output", "about")
"""Of a card; what stands in which is for readers, each entry has a name of its own."""
POOLINGS = ("avg", "max", "none", "class", "tokens")
"""How an output becomes a vector: maps by their mean, their maximum or as they are; tokens by the
class token or by the mean of the others."""
ACTIVATIONS = ("none", "sigmoid", "softmax")
READERS = {".onnx": "onnx", ".xml": "ir"}
"""Files of bare graphs, and what OpenVINO calls its reader of each."""
ORDERS = ("rgb", "bgr")
LAYOUTS = ("nchw", "nhwc")
PROCESSOR, TIMM = "preprocessor_config.json", "config.json"
"""What Hugging Face and timm call what they write beside a network."""
MOST_CARD = 1 << 20
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Card:
    """All that a graph does not say of itself; empty entries are left to the graph."""

    name: str = ""
    size: tuple[int, ...] = ()
    """Height and width."""
    channels: int = 0
    layout: str = ""
    order: str = ORDERS[0]
    scale: float = 1.0
    offset: float = 0.0
    mean: Numbers = (0.0,)
    std: Numbers = (1.0,)
    """A grey level g from 0 to 255 goes in as (g * scale + offset - mean) / std."""
    fit: str = "squash"
    """How a film gets into that size: see `images/fit.py`."""
    edge: int = 0
    resample: str = "area"
    rounded: bool = True
    vector: str = ""
    """Name of an output or of any tensor of the graph, or the number of an output."""
    pooling: str = ""
    prefix: int = -1
    """Tokens before those of the patches; below 0: as many as leave a square."""
    patch: int = 0
    """Pixels of a side of a transformer's patches, in its input; 0: there are none."""
    maps: str = ""
    answers: str = ""
    """The output of a head that the network has itself."""
    activation: str = ACTIVATIONS[0]
    labels: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    source: str = ""
    sha256: str = ""
    """Of the one file that the card speaks of; empty: of any that fits."""

    def fit_to(self, size_hw: tuple[int, int]) -> Fit:
        """Say how a film is fitted into the network's input."""
        return Fit(size_hw, self.fit, self.edge, self.resample, self.rounded)

    def patches_of(self, tokens: int) -> tuple[int, int]:
        """Say how many tokens come before those of the patches, and the side of their square.

        A side of 0: the patches make none.
        """
        prefix = self.prefix if self.prefix >= 0 else tokens - isqrt(tokens) ** 2
        side = isqrt(tokens - prefix)
        return prefix, side if side * side == tokens - prefix else 0

    @property
    def arithmetic(self) -> str:
        """Write down what becomes of grey levels, as `normalising` of a Keras network."""
        names = ("order", "scale", "offset", "mean", "std")
        return json.dumps({name: getattr(self, name) for name in names})

    @property
    def computing(self) -> dict[str, Any]:
        """Give the entries on which vectors depend."""
        left_out = {"name", "patch", "maps", "answers", "activation", "labels", "sha256"}
        left_out |= {"licence", "citation", "source"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}


def find_card(path: Path, wanted: str, sha256: str) -> Card | None:
    """Find the card of a network's file; None where nothing says anything of it.

    Args:
        path: The network.
        wanted: A card that ships, by name; a FILE.toml; or its entries, such as `size = [224, 224],
            std = 58.4`; empty: what lies beside the file, or ships for exactly this file.
        sha256: Of the file.
    """
    if wanted.endswith(".toml"):
        return read_card(Path(wanted))
    if "=" in wanted:
        beside = _beside(path, sha256)
        stated = json.loads(json.dumps(asdict(beside))) if beside else {}
        return _card({**stated, **_entries(f"[input]\n{_lines(wanted)}", "--card")}, "--card")
    if wanted:
        shipped = {file.stem: file for file in _shipped()}
        if wanted not in shipped:
            expected = "a card that ships with spark_cxr, a FILE.toml, or entries as KEY = VALUE"
            raise ConfigError(expected, f"--card={wanted}", nearest(wanted, tuple(shipped)))
        return read_card(shipped[wanted])
    return _beside(path, sha256)


def read_card(path: Path) -> Card:
    """Read a card's file."""
    text = _beginning(path).decode("utf-8", "replace")
    return _card(_entries(text, str(path)), str(path))


def _beginning(path: Path) -> bytes:
    """Read a small file, and no more than that of a large one."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_CARD + 1)
    except OSError as error:
        raise ConfigError("a card that can be read", f"{path} ({error})", "Check --card") from None
    if len(data) > MOST_CARD:
        raise ConfigError(f"a card of at most {MOST_CARD} bytes", str(path), "Check --card")
    return data


def _beside(path: Path, sha256: str) -> Card | None:
    if (own := path.with_suffix(".toml")).is_file():
        return read_card(own)
    for file in _shipped():
        if (card := read_card(file)).sha256 == sha256:
            return card
    for name, reading in ((PROCESSOR, _of_processor), (TIMM, _of_timm)):
        if (other := path.with_name(name)).is_file():
            said = _json(other)
            try:
                found = reading(said)
            except (TypeError, ValueError, ArithmeticError) as error:
                received, way_out = f"{other} ({error})"[:300], "Remove it, or say --card"
                expected = "entries of the right kind beside the network"
                raise ConfigError(expected, received, way_out) from None
            return _card(found, str(other)) if found else None
    return None


@cache
def _shipped() -> tuple[Path, ...]:
    return tuple(sorted(folder_of("backbones/cards").glob("*.toml")))


def _lines(words: str) -> str:
    """Turn entries with commas between into lines; commas within brackets and quotes stay."""
    depth, quoted, text = 0, False, ""
    for sign in words:
        quoted ^= sign == '"'
        depth += (sign in "[{") - (sign in "]}")
        text += "\n" if sign == "," and not depth and not quoted else sign
    return text


def _entries(text: str, place: str) -> dict[str, Any]:
    way_out = "See docs/networks.md for the entries of a card"
    try:
        sections = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError("a card in TOML", f"{place} ({error})"[:300], way_out) from None
    found: dict[str, Any] = {}
    for section, entries in sections.items():
        if section not in SECTIONS or not isinstance(entries, dict):
            expected = f"the sections {', '.join(SECTIONS)} in a card"
            raise ConfigError(expected, f"{section[:40]} in {place}", way_out)
        found |= entries
    return found


def _card(entries: Mapping[str, Any], place: str) -> Card:
    """Check entries one by one."""
    known = {item.name for item in fields(Card)}
    for name in entries:
        if name not in known:
            expected = "known entries in a card"
            raise ConfigError(expected, f"{name[:40]} in {place}", nearest(name, tuple(known)))
    wide = {name: _as_list(entries[name]) for name in ("mean", "std") if name in entries}
    if "vector" in entries:
        wide["vector"] = str(entries["vector"])
    if isinstance(entries.get("size"), int):
        wide["size"] = [entries["size"]] * 2
    try:
        card = read_record(Card, {**entries, **wide}, place)
    except ValueError as error:
        way_out = "See docs/networks.md"
        raise ConfigError("entries of the right kind in a card", str(error), way_out) from None
    _check(card, place)
    if not {"scale", "offset", "mean", "std"} & set(entries):
        received, way_out = f"{place} without", 'Say it; "scale = 1" for levels from 0 to 255'
        raise ConfigError("a card with scale, offset, mean or std", received, way_out)
    return card


def _check(card: Card, place: str) -> None:
    numbers = (card.scale, card.offset, *card.mean, *card.std)
    choices = (
        ("layout", ("", *LAYOUTS)),
        ("order", ORDERS),
        ("fit", tuple(FRAMES)),
        ("resample", tuple(RESAMPLERS)),
        ("pooling", ("", *POOLINGS)),
        ("activation", ACTIVATIONS),
    )
    for name, allowed in choices:
        if (value := getattr(card, name)) not in allowed:
            received = f"{value!r} in {place}"[:200]
            raise ConfigError(
                f"{name} from {', '.join(allowed)}", received, nearest(value, allowed)
            )
    holds = {
        "size = [height, width] of 1 to 16384 in a card": (
            not card.size
            or (len(card.size) == 2 and all(0 < side <= 1 << 14 for side in card.size))
        ),
        "1 or 3 channels in a card": card.channels in (0, 1, 3),
        "vector, maps and answers as names of at most 200 letters": all(
            each.isprintable() and len(each) <= 200
            for each in (card.vector, card.maps, card.answers)
        ),
        "an edge of 0 to 16384 pixels in a card": 0 <= card.edge <= 1 << 14,
        "a patch of 1 to 16384 pixels in a card": 0 <= card.patch <= 1 << 14,
        "mean and std of one number or of one a channel": {len(card.mean), len(card.std)} <= {1, 3},
        "a scale and std other than 0, and finite numbers": (
            card.scale != 0 and 0 not in card.std and all(abs(n) < 1e9 for n in numbers)
        ),
    }
    for expected, is_so in holds.items():
        if not is_so:
            raise ConfigError(expected, place, "Correct the card")
    if card.size:
        card.fit_to((card.size[0], card.size[1]))  # refuses an edge that is too short


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _json(path: Path) -> Mapping[str, Any]:
    data = _beginning(path)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        received = f"{path} ({error})"[:300]
        raise ConfigError("JSON beside the network", received, "Remove it, or say --card") from None
    return found if isinstance(found, dict) else {}


_RESAMPLINGS = {2: "bilinear", 3: "bicubic", 1: "lanczos"}
"""The numbers that Pillow has for them."""


def _of_processor(said: Mapping[str, Any]) -> dict[str, Any]:
    """Read Hugging Face's preprocessor_config.json, as far as films need it."""
    if "image_mean" not in said or "image_std" not in said:
        return {}
    crop, size = said.get("crop_size"), said.get("size")
    found = {
        "mean": said["image_mean"] if said.get("do_normalize", True) else 0.0,
        "std": said["image_std"] if said.get("do_normalize", True) else 1.0,
        "scale": said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 1.0,
        "resample": _RESAMPLINGS.get(said.get("resample", _usual(said)), "bilinear"),
    }
    shortest = size.get("shortest_edge") if isinstance(size, dict) else size
    if said.get("do_center_crop", False) and shortest:
        return {**found, "fit": "shortest_edge", "edge": shortest, "size": _sides(crop or size)}
    return {**found, "fit": "squash", "size": _sides(size)}


def _usual(said: Mapping[str, Any]) -> int:
    """Name the filter that a processor takes where its file is silent."""
    kind = str(said.get("image_processor_type", ""))
    return 3 if kind.startswith(("Bit", "CLIP", "Siglip")) else 2


def _sides(size: Any) -> list[int]:
    if isinstance(size, dict):
        return [size.get("height", 0), size.get("width", 0)]
    return [size, size] if isinstance(size, int) else []


def _of_timm(said: Mapping[str, Any]) -> dict[str, Any]:
    """Read what timm writes: `pretrained_cfg` of its config.json."""
    known = said.get("pretrained_cfg", said)
    if not isinstance(known, dict) or "mean" not in known or "input_size" not in known:
        return {}
    channels, *size = known["input_size"]
    share = known.get("crop_pct") or 1.0
    found = {
        "mean": known["mean"],
        "std": known["std"],
        "scale": 1 / 255,
        "channels": channels,
        "size": size,
        "resample": known.get("interpolation", "bicubic"),
        "licence": known.get("license", ""),
    }
    if known.get("crop_mode", "center") == "squash":
        return {**found, "fit": "squash"}
    return {**found, "fit": "shortest", "edge": int(min(size) / share)}
