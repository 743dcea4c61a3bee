"""Ids and names as column functions: pseudonyms, names in one form, accents as one character.

Apart from `pseudonyms`, so that workers that read films do not import pandas for them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import Column
from pyspark.sql.functions import pandas_udf

from spark_cxr.images.demographics import normal_maker, normal_name
from spark_cxr.pipeline.pseudonyms import check_key, pseudonym


def pseudonymised(key: bytes) -> Callable[..., Any]:
    """Make `pseudonym` a column function; the key travels in it, and stands in no query plan."""
    check_key(key)

    @pandas_udf("string")
    def replace(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for identifiers in batches:
            yield identifiers.map(lambda each: pseudonym(key, each)).astype(object)

    return replace


def composed(text: Column) -> Column:
    """Write letters with accents as one character each (NFC), as a column function.

    Some systems name files with the accent apart; people see no difference, a join does.
    """

    @pandas_udf("string")
    def compose(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for texts in batches:
            yield texts.map(_nfc).astype(object)

    return compose(text)


def maker_names(text: Column) -> Column:
    """Give one name for each maker (`normal_maker`), as a column function."""

    @pandas_udf("string")
    def name(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for texts in batches:
            yield texts.map(normal_maker).astype(object)

    return name(text)


def device_names(text: Column) -> Column:
    """Give names of one printable line (`normal_name`), as a column function."""

    @pandas_udf("string")
    def name(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for texts in batches:
            yield texts.map(normal_name).astype(object)

    return name(text)


def _nfc(text: str | None) -> str | None:
    return text if text is None or text.isascii() else unicodedata.normalize("NFC", text)
