"""Ids and names as column functions: pseudonyms, names in one form, accents as one character.

Apart from `pseudonyms`, so that workers that read films do not import pandas for them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, cast

import pandas as pd
from pyspark.sql import Column
from pyspark.sql.functions import pandas_udf

from spark_cxr.images.demographics import normal_maker, normal_name
from spark_cxr.pipeline.pseudonyms import check_key, pseudonym


def pseudonymised(key: bytes) -> Callable[..., Any]:
    """Make `pseudonym` a column function; the key travels in it, and stands in no query plan."""
    check_key(key)
    return _of_texts(lambda each: pseudonym(key, each))


def composed(text: Column) -> Column:
    """Write letters with accents as one character each (NFC), as a column function.

    Some systems name files with the accent apart; people see no difference, a join does.
    """
    return cast(Column, _of_texts(_nfc)(text))


def maker_names(text: Column) -> Column:
    """Give one name for each maker (`normal_maker`), as a column function."""
    return cast(Column, _of_texts(normal_maker)(text))


def device_names(text: Column) -> Column:
    """Give names of one printable line (`normal_name`), as a column function."""
    return cast(Column, _of_texts(normal_name)(text))


def _of_texts(function: Callable[[str | None], str | None]) -> Callable[..., Any]:
    """Make a column function of one that takes a text."""

    @pandas_udf("string")
    def named(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for texts in batches:
            yield texts.map(function).astype(object)

    return named


def _nfc(text: str | None) -> str | None:
    return text if text is None or text.isascii() else unicodedata.normalize("NFC", text)
