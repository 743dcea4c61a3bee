"""Patient ids leave ingest only as keyed pseudonyms: same key, same patient, same pseudonym."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql import Column
from pyspark.sql.functions import pandas_udf

from spark_cxr.errors import ConfigError
from spark_cxr.output import KEY_VARIABLE

HEX_DIGITS = 20
"""80 bits: among a million patients two share a pseudonym with probability 4e-13."""
NOBODY = frozenset(
    (
        *("", "-", "--", "?", ".", "na", "n/a", "#n/a", "<na>", "nan", "nil", "none", "null"),
        *("unknown", "unk", "undefined", "missing", "not available", "not applicable"),
        *("anonymous", "anonymized", "anonymised", "anon"),
    )
)
"""What tables and devices write, in capitals or not, where they know no patient."""


def pseudonym(key: bytes, identifier: str | None) -> str | None:
    """Give the pseudonym of an id; none for an empty one, or a word that says there is none.

    An id has one pseudonym in whichever form of Unicode its letters are written.

    Raises:
        ConfigError: The key is empty: whoever has a list of ids could find out whose each is.
    """
    _check_key(key)
    written = unicodedata.normalize("NFC", identifier or "").strip()
    if written.lower() in NOBODY:
        return None
    digest = hmac.new(key, written.encode("utf-8"), hashlib.sha256)
    return "p" + digest.hexdigest()[:HEX_DIGITS]


def pseudonymised(key: bytes) -> Callable[..., Any]:
    """Make the same a column function; the key travels in it, and stands in no query plan."""
    _check_key(key)

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


def _nfc(text: str | None) -> str | None:
    return text if text is None or text.isascii() else unicodedata.normalize("NFC", text)


def _check_key(key: bytes) -> None:
    if not key:
        way_out = f"Set {KEY_VARIABLE}, or remove an empty _pseudonym.key"
        raise ConfigError("a key for the pseudonyms of patients", "an empty one", way_out)
