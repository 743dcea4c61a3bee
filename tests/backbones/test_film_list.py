"""Lists of the films that networks were trained on: what is found again, and what is not there."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from benchmarks.cxrnet import embed
from spark_cxr.backbones import catalog, film_list
from spark_cxr.backbones.film_list import EXACT, NEAR, FilmList, film_rows, lists_of, pack, unpack
from spark_cxr.backbones.weights import Weights, resolve
from spark_cxr.errors import WeightsError
from spark_cxr.images.decode import decode
from spark_cxr.images.fingerprint import fingerprint, thumbnail
from spark_cxr.phantoms import phantoms

SALT = bytes(range(16))
CHANGES = {
    "JPEG": lambda film: film,
    "half": lambda film: film.resize((film.width // 2, film.height // 2), Image.Resampling.LANCZOS),
    "mirrored": ImageOps.mirror,
    "inverted": ImageOps.invert,
    "cropped": lambda film: film.crop((2, 2, film.width - 2, film.height - 2)),
}


def drawn(seed: int, count: int = 12) -> list[Image.Image]:
    """Draw phantoms of one seed; those of another are of other patients."""
    made = phantoms(count, seed, 192, ("png",), 0)
    return [Image.fromarray(decode(each.data).pixels).convert("L") for each in made]


def hashed_parts(films: list[Image.Image]) -> tuple[list[str], list[bytes]]:
    pixels = [np.asarray(film) for film in films]
    digests = [hashlib.sha256(each.tobytes()).hexdigest() for each in pixels]
    return digests, [thumbnail(each) for each in pixels]


def saved(film: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    film.save(stream, "JPEG", quality=60)
    return Image.open(stream)


@pytest.fixture(scope="module")
def listed() -> FilmList:
    rows = film_rows(SALT, *hashed_parts(drawn(1)))
    return FilmList.of(SALT, [row.tobytes() for row in rows])


def test_films_of_the_list_are_found_by_their_pixels(listed: FilmList) -> None:
    assert listed.find(*hashed_parts(drawn(1))) == [EXACT] * 12


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_near_duplicates(listed: FilmList, change: str) -> None:
    copies = [saved(CHANGES[change](film)) for film in drawn(1)]
    assert listed.find(*hashed_parts(copies)) == [NEAR] * 12


def test_films_of_other_patients_are_not_found(listed: FilmList) -> None:
    assert listed.find(*hashed_parts(drawn(2))) == [None] * 12


def test_a_picture_without_detail_or_looks_is_near_to_nothing(listed: FilmList) -> None:
    blank = [Image.new("L", (64, 64), grey) for grey in (0, 90)]
    rows = film_rows(SALT, *hashed_parts(blank))
    with_blank = FilmList.of(SALT, [*(row.tobytes() for row in rows), listed.rows[0].tobytes()])
    other = hashed_parts([Image.new("L", (64, 64), 200)])
    assert with_blank.find(*other) == [None]
    assert listed.find(["0" * 64], [None]) == [None]
    assert listed.find([], []) == []


def test_several_lists_are_written_and_read(listed: FilmList) -> None:
    other = FilmList.of(b"s" * 16, [])
    again = unpack(pack([listed, other]))
    assert [each.salt for each in again] == [SALT, b"s" * 16]
    np.testing.assert_array_equal(again[0].rows, listed.rows)
    digests, looks = hashed_parts([*drawn(1)[:1], *drawn(2)[:1]])
    assert film_list.find(again, digests, looks) == [EXACT, None]
    assert film_list.find((), digests, looks) == [None, None]


def test_another_salt_hides_the_same_films(listed: FilmList) -> None:
    rows = film_rows(b"another salt 123", *hashed_parts(drawn(1)))
    assert not np.isin(rows["exact"], listed.rows["exact"]).any()
    assert (rows["near"] == np.sort(listed.rows, order="exact")["near"]).mean() < 0.01


def test_a_list_holds_104_bytes_a_film_and_neither_digest_nor_thumbnail(listed: FilmList) -> None:
    digests, looks = hashed_parts(drawn(1))
    data = listed.pack()
    assert len(data) == 16 + 4 + 12 * 104
    assert not any(bytes.fromhex(each)[:8] in data for each in digests)
    assert not any(each[i : i + 16] in data for each in looks for i in range(0, 4096, 16))


@pytest.mark.parametrize("data", [b"", b"something else", pack([])[:-1], pack([]) + b"123"])
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(WeightsError, match="list of films"):
        unpack(data)


def test_networks_that_know_no_films_have_an_empty_list_and_unknown_ones_none(
    tmp_path: Path,
) -> None:
    with zipfile.ZipFile(tmp_path / "mine.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    mine = Weights("own", str(tmp_path / "mine.keras"), "0" * 64, "mine", "")
    assert lists_of(mine) is None
    assert lists_of(resolve("random:1", catalog.get("CXRNet"))) == ()
    assert lists_of(Weights("imagenet", "x", "0", "keras", "MIT")) == ()


def test_the_list_of_our_network_ships_with_it() -> None:
    (ours,) = lists_of(resolve("", catalog.get("CXRNet"))) or ()
    assert len(ours.rows) == 7849
    row = catalog.get("CXRNet").embedded
    assert row is not None
    file = Path(embed.BACKBONES / "embedded" / row.name).with_suffix(film_list.SUFFIX)
    assert file.stat().st_size < 1_000_000


def test_embedding_puts_the_list_beside_the_network(listed: FilmList, tmp_path: Path) -> None:
    rows = Path(catalog.__file__).read_text(encoding="utf-8")
    (tmp_path / "catalog.py").write_text(rows, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr("model.weights.h5", b"trained anew")
        archive.writestr(film_list.MEMBER, pack([listed]))
    embed.embed(tmp_path / "new.keras", tmp_path)
    assert (tmp_path / "embedded/cxrnet.films").read_bytes() == pack([listed])
    with zipfile.ZipFile(tmp_path / "embedded/cxrnet.keras") as archive:
        assert archive.namelist() == ["model.weights.h5"]


def test_our_network_knows_its_films_and_not_those_of_ozturk(shared_data: Path) -> None:
    (ours,) = lists_of(resolve("", catalog.get("CXRNet"))) or ()

    def found(folder: str, pattern: str) -> list[str | None]:
        files = sorted((shared_data / folder).rglob(pattern))[::40][:25]
        contents = [file.read_bytes() for file in files]
        prints = [fingerprint(content, decode(content)) for content in contents]
        return ours.find([each.pixels_sha256 for each in prints], [each.looks for each in prints])

    assert found("radiography/Viral Pneumonia", "*.jpg").count(EXACT) > 15
    assert found("kermany/Viral Pneumonia", "*.jpg").count(None) < 10
    assert found("ozturk", "*.jp*g").count(None) == 25
