"""The one pass over films: what holds for all that decode."""

from __future__ import annotations

import numpy as np
import pytest

from spark_cxr.errors import BadImage
from spark_cxr.images import film_pass as module
from spark_cxr.images.decode import decode
from spark_cxr.images.film_pass import MOST_IDLE, Content, FilmPass, FilmViews, Runner, View, opener
from spark_cxr.images.prepare import to_network
from spark_cxr.phantoms import phantoms

FILMS = [Content(film.data) for film in phantoms(7, 0, 64, ("png", "jpeg"), 0)]
BAD = Content(b"no image")


def means(films):
    return [float(film.mean()) for film in films]


def refuse(_, __, bad):
    return bad.reason


def passing(*runners, views=lambda pixels: (View(pixels),), **more):
    """Make a pass that says what the networks found in each view, or the reason."""

    def look(_, __, film):
        return FilmViews("", views(to_network(film.pixels, (32, 32))))

    open_ = opener(look, refuse, **more)
    return FilmPass(open_, lambda note, found: note or list(found), runners)


def test_a_film_is_decoded_once_for_all_networks_and_views(monkeypatch):
    decoded = []

    def counting(data, limits):
        decoded.append(data)
        return decode(data, limits)

    monkeypatch.setattr(module, "decode", counting)

    def views(pixels):
        return View(pixels), View(255 - pixels), View(pixels, 1)

    (rows,) = passing(Runner(means, 4), Runner(means, 3), views=views).rows([FILMS])
    assert len(decoded) == len(FILMS)
    for plain, negative, other in rows:
        assert plain == other
        assert plain + negative == pytest.approx(255)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (5, 2), (100, 3)])
def test_rows_keep_their_order_whatever_fills_first(sizes):
    """Every second film is for both networks, the others for one of them in turn."""
    wanted = [(0, 1) if n % 2 else (n // 2 % 2,) for n in range(len(FILMS))]
    numbers = {film.sha256: n for n, film in enumerate(FILMS)}

    def look(_, content, film):
        n, pixels = numbers[content.sha256], to_network(film.pixels, (32, 32))
        return FilmViews(n, tuple(View(pixels, network) for network in wanted[n]))

    runners = tuple(Runner(means, size) for size in sizes)
    made = FilmPass(opener(look, refuse), lambda n, found: (n, len(found)), runners)
    rows = [row for part in made.rows([FILMS[:2], [], FILMS[2:]]) for row in part]
    assert rows == [(n, len(networks)) for n, networks in enumerate(wanted)]


def test_a_bad_file_is_a_row_with_its_reason():
    (rows,) = passing(Runner(means, 2)).rows([[BAD, FILMS[0], Content(b"")]])
    assert rows[0] == "not_an_image"
    assert len(rows[1]) == 1
    assert rows[2] == "empty"


def test_a_film_that_memory_does_not_hold_is_a_bad_file(monkeypatch):
    def starve(*_):
        raise MemoryError

    monkeypatch.setattr(module, "decode", starve)
    assert list(passing().rows([FILMS[:1]])) == [["out_of_memory"]]


def test_a_file_that_is_skipped_is_not_decoded(monkeypatch):
    monkeypatch.setattr(module, "decode", None)
    known = passing(skip=lambda _, content: f"known {content.sha256[:4]}")
    assert list(known.rows([FILMS[:1]])) == [[f"known {FILMS[0].sha256[:4]}"]]


def test_what_fails_while_looking_is_a_bad_file_too():
    def look(*_):
        raise BadImage("corrupt", "seen late")

    made = FilmPass(opener(look, refuse), lambda note, _: note)
    assert list(made.rows([FILMS[:1]])) == [["corrupt"]]


def test_films_do_not_wait_for_ever_for_others_that_the_network_wants():
    """One film in a thousand that are no films must not hold all their rows."""
    seen = []

    def run(films):
        seen.append(len(films))
        return means(films)

    files = [FILMS[0], *[BAD] * (3 * MOST_IDLE)]
    rows = passing(Runner(run, 2)).rows([[file] for file in files])
    first = next(rows)
    assert seen == [1]
    assert len(first[0]) == 1
    assert len(list(rows)) == len(files) - 1


def test_bits_of_a_film_do_not_depend_on_the_lists_it_came_in():
    (whole,) = passing(Runner(means, 3)).rows([FILMS])
    parts = passing(Runner(means, 3)).rows([[film] for film in FILMS])
    assert np.array_equal(whole, [row for part in parts for row in part])
