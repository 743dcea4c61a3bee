"""What can be refused before a JVM starts, from the command line and the files that it names.

Nothing here needs a session. What only the films can show, the steps themselves find out. Each verb
is imported only where it is the one that runs: all of them together take seconds.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from pyarrow import fs

from spark_cxr.backbones import engines
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.engines.plan import INT8
from spark_cxr.config import defaults
from spark_cxr.datasets import Dataset
from spark_cxr.errors import ConfigError, InputError
from spark_cxr.film_places import is_folder
from spark_cxr.heads import catalog as heads
from spark_cxr.output import absolute, locate
from spark_cxr.pipeline.boxes import read_boxes
from spark_cxr.pipeline.classes import classes_among, read_classes
from spark_cxr.pipeline.csv_text import read_csv_text
from spark_cxr.pipeline.earlier_run import (
    check_classes,
    ingested_by,
    open_earlier,
    with_its_films,
    with_its_network,
)
from spark_cxr.pipeline.label_columns import columns_of
from spark_cxr.pipeline.labels import NO_FILE, dataset_of, label_path, sets_of
from spark_cxr.pipeline.local_settings import ELSEWHERE
from spark_cxr.pipeline.vector_table import VectorSource, check_vector_table, is_vector_table
from spark_cxr.schemas import FEATURES
from spark_cxr.settings import Config, Ingest


def preflight(cfg: Config, sections: Sequence[str]) -> None:
    """Refuse a run of a job with these sections that is bound to fail.

    Raises:
        ConfigError: A flag is wrong, or contradicts another.
        InputError: A folder, an earlier run or the label file is not what the job needs.
    """
    if "track" in sections:
        from spark_cxr.verbs.track.store import check_flags

        check_flags(cfg)
    for section, check in CHECKS.items():
        if section in sections:
            check(cfg)
    if "audit" in sections:
        from spark_cxr.pipeline.checks.summary import with_manifest

        cfg = with_manifest(cfg)
    if "evaluate" in sections:
        from spark_cxr.verbs.evaluate.run import as_the_model_reads

        cfg = as_the_model_reads(cfg)
    if is_vector_table(cfg.train.features) and "train" in sections:
        _check_vectors(cfg, "compare" in sections)
    cfg = _with_earlier(cfg) if "features" in sections else cfg
    if "features" in sections:
        _check_network(cfg, sections)
    if "ingest" in sections:
        _check_films(cfg, "train" in sections)


def _check_heads(cfg: Config, names: Sequence[str]) -> None:
    from spark_cxr.pipeline.heads import HeadRecipe, check_recipe

    for name in names:
        check_recipe(heads.get(name), HeadRecipe(balance=cfg.train.balance))


def _check_any_head(cfg: Config) -> None:
    from spark_cxr.pipeline.own_answers import OWN, own_head

    if cfg.any_head.head != OWN:
        _check_heads(cfg, (cfg.any_head.head,))
        return
    if not cfg.ingest.findings:
        way_out = "Add --findings: its labels are findings of a film"
        raise ConfigError("--findings with --head own", "none", way_out)
    own_head(cfg.features)


def _check_compare(cfg: Config) -> None:
    from spark_cxr.verbs.compare.films import check_splits

    _check_heads(cfg, cfg.compare.heads)
    check_splits(cfg.compare.splits)
    if cfg.train.features and not is_vector_table(cfg.train.features):
        way_out = "Say --table for its films, and --cache to use vectors again"
        raise ConfigError("a comparison without --features", cfg.train.features, way_out)


def _check_training(cfg: Config) -> None:
    read_classes(cfg.train.classes)
    if cfg.train.classes and cfg.ingest.findings:
        way_out = "Leave --classes out, and name findings as in --findings A,B"
        raise ConfigError("either --findings or --classes", "both", way_out)
    if cfg.train.split.lower().endswith(".csv"):
        _check_there(cfg.train.split, "a --split file that exists", "Check the file")
    for folder in cfg.train.test_images:
        _check_there(folder, "--test-images that exist", "Check the folder or glob")


def _check_signing(cfg: Config) -> None:
    from spark_cxr.model.signature import read_private_key

    if cfg.signing.sign:
        read_private_key(cfg.signing.sign)


def _check_finetune(cfg: Config) -> None:
    from spark_cxr.verbs.finetune.request import network_of, recipe_of

    recipe_of(cfg)
    network_of(cfg)


def _check_audit(cfg: Config) -> None:
    from spark_cxr.verbs.audit.run import check_settings

    check_settings(cfg)


def _check_explain(cfg: Config) -> None:
    from spark_cxr.verbs.explain.run import check_settings

    check_settings(cfg)
    if cfg.explain.boxes:
        read_boxes(cfg.explain.boxes, cfg.explain.boxes_size)


def _check_evaluate(cfg: Config) -> None:
    from spark_cxr.verbs.evaluate.run import check_settings

    check_settings(cfg)


def _check_score(cfg: Config) -> None:
    from spark_cxr.verbs.score.run import check_settings

    check_settings(cfg.score)


def _check_export(cfg: Config) -> None:
    from spark_cxr.pipeline.export import check_export

    check_export(cfg.export, cfg.run.overwrite)


def _check_look(cfg: Config) -> None:
    if cfg.look.vectors:
        open_earlier(cfg.look.vectors, "--vectors", FEATURES)


CHECKS: dict[str, Callable[[Config], None]] = {
    "look": _check_look,
    "signing": _check_signing,
    "export": _check_export,
    "train": _check_training,
    "any_head": _check_any_head,
    "compare": _check_compare,
    "finetune": _check_finetune,
    "audit": _check_audit,
    "evaluate": _check_evaluate,
    "explain": _check_explain,
    "score": _check_score,
}
"""What a job refuses by its own section."""


def _check_vectors(cfg: Config, compares: bool) -> None:
    """Refuse a table of vectors without the columns it needs, and a network that is not asked."""
    check_vector_table(VectorSource.of(cfg.train))
    if cfg.registry.register:
        received = f"--register={cfg.registry.register}"
        way_out = "Leave it out: MLflow would give the model films, and it takes vectors"
        raise ConfigError("no --register with vectors made elsewhere", received, way_out)
    if cfg.train.examples and not compares:
        way_out = "Leave it out: a model of vectors takes no films, and has no page"
        received = f"--examples={cfg.train.examples}"
        raise ConfigError("no --examples with vectors made elsewhere", received, way_out)
    named, plain = cfg.features.backbone, defaults().features.backbone
    if compares and (cfg.compare.backbones or named != plain):
        if not (cfg.ingest.images or cfg.features.table):
            way_out = "Say --images DIR too, or leave the networks out"
            received = "no films"
            raise ConfigError("films for the networks beside --features", received, way_out)
    elif named != plain:
        way_out = "Leave it out; compare takes both, with --backbones and --images"
        raise ConfigError("no --backbone with vectors made elsewhere", named, way_out)


def _with_earlier(cfg: Config) -> Config:
    """Give the settings with the films and the network of the earlier run, if they name one."""
    if cfg.train.features and not is_vector_table(cfg.train.features):
        earlier = open_earlier(cfg.train.features, "--features", FEATURES)
        check_classes(cfg, earlier)
        cfg = with_its_films(cfg, ingested_by(earlier), "--features")
        return with_its_network(cfg, earlier)
    if cfg.features.table:
        earlier = open_earlier(cfg.features.table, "--table", "images")
        return with_its_films(cfg, earlier, "--table")
    return cfg


def _check_network(cfg: Config, sections: Sequence[str]) -> None:
    """Refuse unknown networks, and engines that cannot run them."""
    if "finetune" in sections and cfg.features.precision == INT8:
        way_out = "Leave it out, and featurize with the network that comes of it"
        raise ConfigError("finetune in another --precision", INT8, way_out)
    settings = [cfg.features]
    if "compare" in sections and cfg.compare.backbones:
        from spark_cxr.verbs.compare.films import features_of

        settings = [features_of(cfg.features, name) for name in cfg.compare.backbones]
    for one in settings:
        own.find_wanted(one)
        able = own.engines_of(one.backbone)
        if one.precision == INT8 or (one.engine != "auto" and one.engine not in able):
            engines.choose(one.engine, one.backbone, one.device, one.precision)


def _check_films(cfg: Config, needs_classes: bool) -> None:
    """Refuse folders that are not there, and a label file that cannot be used."""
    dataset = dataset_of(cfg.ingest)
    for folder in cfg.ingest.images:
        if is_folder(folder):
            _check_there(folder, "--images that exist", "Check the folder or glob")
    has_vectors = cfg.train.features and not is_vector_table(cfg.train.features)
    is_earlier = cfg.features.table or has_vectors
    if dataset.labels in NO_FILE or not cfg.ingest.images or is_earlier:
        return
    sets = sets_of(cfg.ingest)
    for one in sets:
        _check_labels(one, cfg.train.classes, needs_classes and len(sets) == 1)


def _check_labels(settings: Ingest, classes: tuple[str, ...], needs_classes: bool) -> None:
    """Refuse a label file that is not there, or lacks a column or a class."""
    dataset = dataset_of(settings)
    if dataset.labels in NO_FILE:
        return
    path = label_path(settings)
    _check_there(path, "a label file that can be read", "Check --labels")
    if settings.findings or dataset.header or dataset.joins:
        return  # Spark reads it soon, and says what is wrong
    with suppress(csv.Error, OSError):  # what Python cannot read here, Spark may
        rows = _rows_of(path)
        if header := next(rows, None):
            names = columns_of(header, path, dataset)
            if needs_classes:
                _check_classes(rows, header, names.label, dataset, classes)


def _check_classes(
    rows: Iterator[list[str]],
    header: list[str],
    column: str,
    dataset: Dataset,
    classes: tuple[str, ...],
) -> None:
    """Read on until all the classes have been seen, or two labels where none are named.

    That mostly takes a few lines.
    """
    wanted, found = set(read_classes(classes).labels), set[str]()
    at = header.index(column)
    kept = [(header.index(name), allowed) for name, allowed in dataset.keep]
    for row in rows:
        row += [""] * (len(header) - len(row))  # as Spark reads a row that ends early
        if any(row[i] not in allowed for i, allowed in kept):
            continue
        written = row[at].strip()
        if written and dataset.rules:
            matching = (rule.label for rule in dataset.rules if re.search(rule.match, written))
            written = next(matching, "")
        if written:
            found.add(written)
        if wanted <= found if wanted else len(found) > 1:
            break
    classes_among(sorted(found), classes)


def _rows_of(path: str) -> Iterator[list[str]]:
    """Check a CSV and read it row by row; give nothing where Python finds no such file."""
    try:
        store, inside = locate(absolute(path))
    except ValueError:  # a scheme of Spark alone
        return
    if store.get_file_info(inside).is_file:  # and no folder or glob of files
        with store.open_input_stream(inside) as stream:
            text = read_csv_text(stream.read(), path).text
        yield from csv.reader(io.StringIO(text, newline=""))


def _check_there(address: str, expected: str, way_out: str) -> None:
    """Refuse a path on this machine that is not there."""
    is_plain = ":" not in address.split("/")[0] and not any(map(os.environ.get, ELSEWHERE))
    is_here = is_plain or address.startswith("file:")
    if not is_here or re.search(r"[*?\[{]", address):
        return
    store, path = locate(absolute(address))
    if store.get_file_info(path).type == fs.FileType.NotFound:
        if "," in path:
            way_out += "; several stand apart by blanks, not by commas"
        raise InputError(expected, f"file:{path}", way_out)
