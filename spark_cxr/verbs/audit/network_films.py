"""Films of the test that the network itself was trained on: a check of its own in an audit."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from spark_cxr.backbones.film_list import EXACT, NEAR
from spark_cxr.metrics import Overlap
from spark_cxr.metrics.checks import NOT_APPLICABLE, PASS, Check, status_of
from spark_cxr.metrics.wording import overlap_in_words, percent
from spark_cxr.pipeline.evaluate import FOUND, marked
from spark_cxr.pipeline.splits import IS_TEST
from spark_cxr.verbs.audit.films import AuditFilms

WARNS, FAILS = 0.01, 0.05
"""Shares of the test. One film in 7,000 is taken for one of CXRNet's own by chance."""


def check_learned(images: DataFrame, shown: AuditFilms) -> Check:
    """Ask how many of the films that test were among those that the network was trained on.

    Args:
        images: `schemas.IMAGES`, with the looks of the films.
        shown: The films that test, and the network.
    """
    name, title = "network_films", "Test films the network was trained on"
    network, tested = shown.plan.network, shown.rows.where(F.col(IS_TEST))
    marks = marked(images, tested, network)
    if marks is None:
        said = f"{overlap_in_words(Overlap(network.backbone, shown.tested, None, None))}."
        return Check(name, title, NOT_APPLICABLE, said)
    kind = F.col(FOUND)
    counts = (F.count_if(kind == each) for each in (EXACT, NEAR))
    found = Overlap(network.backbone, *marks.agg(F.count(F.lit(1)), *counts).collect()[0])
    status = status_of(found.share, WARNS, FAILS)
    said = f"{overlap_in_words(found)}."
    if status != PASS:
        said += " Every figure below that comes from its features is too good by an unknown amount."
    numbers = (("films", found.n), ("exact", found.exact), ("near_duplicates", found.near))
    return Check(name, title, status, said, numbers, brief=percent(found.share))
