"""Films for int8: a sample of the user's own, drawn by hash, as the network is to see them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pyspark.sql import SparkSession

from spark_cxr.backbones import network
from spark_cxr.backbones.cache import digest
from spark_cxr.backbones.network import Network
from spark_cxr.backbones.quantisation import (
    FILMS,
    HELD_OUT,
    CalibrationFilms,
    check_nncf,
    in_order,
    quantise,
)
from spark_cxr.config import defaults
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.images.film import Film
from spark_cxr.images.film_pass import Content, FilmPass, FilmViews, opener
from spark_cxr.images.fit import Fit, fitted
from spark_cxr.images.prepare import in_three_channels
from spark_cxr.model.model import network_of, open_manifest
from spark_cxr.output import Output, absolute, locate
from spark_cxr.pipeline.film_pass import TableFile, TablePass, over_films
from spark_cxr.pipeline.labels import dataset_of
from spark_cxr.pipeline.readers import choose_reader, read_listed
from spark_cxr.pipeline.sources import list_files
from spark_cxr.schemas import SHA256
from spark_cxr.settings import Ingest

NETWORK_FILE = ".network"
DRAWN = "sha256 string, pixels binary"
SPARE = 20
"""Files drawn beyond what is needed: some may be no films, or copies of one another."""


def for_int8(spark: SparkSession, plain: Network, calibrate: str, ingest: Ingest | None) -> Network:
    """Give the network in int8: calibrated on films, or the one that a model or a file has.

    Args:
        spark: The session, whose workers read and decode the films.
        plain: The network for f32.
        calibrate: A folder of films, a model directory of int8, or a network's file; empty: the
            films of the run.
        ingest: Says which these are; None where a run has none.
    """
    if calibrate.endswith(NETWORK_FILE):
        return _same(plain, network.read(Path(calibrate)))
    if calibrate and _is_model(calibrate):
        place = Output(absolute(calibrate).rstrip("/"))
        return _same(plain, network_of(place, open_manifest(place), into_cache=True))
    films = ingest or defaults().ingest
    films = replace(films, images=(calibrate,), dataset="") if calibrate else films
    return quantise(plain, draw_films(spark, films, plain.fit))


def check_films(calibrate: str, ingest: Ingest | None) -> None:
    """Refuse int8 without films to calibrate on, before a network is built for it."""
    if not calibrate and not (ingest and ingest.images):
        way_out = "Name a folder of them, or a model of int8: --calibrate, or the param calibrate"
        raise ConfigError("films to calibrate int8 on", "none", way_out)
    if not calibrate.endswith(NETWORK_FILE) and not (calibrate and _is_model(calibrate)):
        check_nncf()


def draw_films(
    spark: SparkSession, ingest: Ingest, fit: Fit, held_out: int = HELD_OUT
) -> CalibrationFilms:
    """Draw files by a hash of their name and size, and give the first films that they are.

    So the sample is the same on every machine, wherever the folder lies; one more film changes one
    film of it at most.
    """
    listing = list_files(spark, ingest.images, dataset_of(ingest).leave_out)
    files = [each for each in listing.found if each.can_be_read and each.bytes <= ingest.max_bytes]
    most = FILMS + held_out
    by_lot = sorted(files, key=lambda each: (lot(each.path, each.bytes), each.path))
    drawn = by_lot[: most + SPARE]
    if not drawn:
        raise InputError("films to calibrate int8 on", "no file", "Check --calibrate or --images")
    table = read_listed(spark, drawn, choose_reader(spark, ingest.read, drawn))
    rows = over_films(table, lambda: _drawing_pass(fit), DRAWN).collect()
    found = in_order([(row[SHA256], bytes(row["pixels"])) for row in rows], fit)
    return CalibrationFilms(found.sha256[:most], found.pixels[:most])


def lot(path: str, size: int) -> str:
    """Draw a file."""
    return hashlib.sha256(f"{PurePosixPath(path).name}:{size}".encode()).hexdigest()


def _drawing_pass(fit: Fit) -> TablePass:
    """Make the pass from files to pixels; runs on the workers. What is no film is left out."""

    def look(_: TableFile, content: Content, film: Film) -> FilmViews[Any]:
        pixels = in_three_channels(fitted(film.pixels, fit)).tobytes()
        return FilmViews({SHA256: content.sha256, "pixels": pixels})

    return FilmPass(opener(look, lambda _, __, ___: None), lambda note, _: note)


def _is_model(address: str) -> bool:
    store, path = locate(f"{absolute(address).rstrip('/')}/model.json")
    return bool(store.get_file_info(path).is_file)


def _same(plain: Network, found: Network) -> Network:
    """Refuse the int8 of another network."""
    bare = replace(found, quantisation=None)
    if found.quantisation is None or network.key(bare) != network.key(plain):
        expected = f"{plain.backbone} with the same weights in int8"
        precision = "int8" if found.quantisation else "no int8"
        received = f"{found.backbone} in {precision} by --calibrate"
        raise InputError(expected, received, "Name a folder of films")
    sha256 = found.sha256 or digest(Path(found.path))
    return replace(found, weights=plain.weights, sha256=sha256)
