"""Patient ids leave ingest only as keyed pseudonyms: same key, same patient, same pseudonym."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
from pyspark.sql.functions import pandas_udf

from spark_cxr.errors import ConfigError

KEY_VARIABLE = "SPARK_CXR_KEY"
HEX_DIGITS = 20
"""80 bits: among a million patients two share a pseudonym with probability 4e-13."""


def pseudonym(key: bytes, identifier: str | None) -> str | None:
    """Give the pseudonym of an id; none for an empty one.

    Raises:
        ConfigError: The key is empty: whoever has a list of ids could find out whose each is.
    """
    _check_key(key)
    if identifier is None or not identifier.strip():
        return None
    digest = hmac.new(key, identifier.strip().encode("utf-8"), hashlib.sha256)
    return "p" + digest.hexdigest()[:HEX_DIGITS]


def pseudonymised(key: bytes) -> Callable[..., Any]:
    """Make the same a column function; the key travels in it, and stands in no query plan."""
    _check_key(key)

    @pandas_udf("string")
    def replace(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for identifiers in batches:
            yield identifiers.map(lambda each: pseudonym(key, each)).astype(object)

    return replace


def _check_key(key: bytes) -> None:
    if not key:
        way_out = f"Set {KEY_VARIABLE}, or remove an empty _pseudonym.key"
        raise ConfigError("a key for the pseudonyms of patients", "an empty one", way_out)
