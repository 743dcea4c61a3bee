"""Patient ids leave ingest only as keyed pseudonyms: same key, same patient, same pseudonym."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from spark_cxr.errors import ConfigError
from spark_cxr.images.demographics import NOBODY
from spark_cxr.output import KEY_VARIABLE

HEX_DIGITS = 20
"""80 bits: among a million patients two share a pseudonym with probability 4e-13."""


def pseudonym(key: bytes, identifier: str | None) -> str | None:
    """Give the pseudonym of an id; none for an empty one, or a word that says there is none.

    An id has one pseudonym in whichever form of Unicode its letters are written.

    Raises:
        ConfigError: The key is empty: whoever has a list of ids could find out whose each is.
    """
    check_key(key)
    written = unicodedata.normalize("NFC", identifier or "").strip()
    if written.lower() in NOBODY:
        return None
    digest = hmac.new(key, written.encode("utf-8"), hashlib.sha256)
    return "p" + digest.hexdigest()[:HEX_DIGITS]


def check_key(key: bytes) -> None:
    """Refuse an empty key: whoever has a list of ids could find out whose each is."""
    if not key:
        way_out = f"Set {KEY_VARIABLE}, or remove an empty _pseudonym.key"
        raise ConfigError("a key for the pseudonyms of patients", "an empty one", way_out)
