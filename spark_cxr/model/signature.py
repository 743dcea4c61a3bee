"""Who has made a model: an Ed25519 signature over the seal of model.json, which covers every file.

The keys are PEM files, as `openssl genpkey -algorithm ed25519` writes them.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from spark_cxr.errors import ConfigError, InputError, SetupError
from spark_cxr.model.contents import read_file
from spark_cxr.output import Output
from spark_cxr.records import read_json, read_record

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE = "signature.json"
ALGORITHM = "Ed25519"
SIGNED = b"spark_cxr model "
"""Begins what is signed, so that no signature made for something else fits."""
MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class Signature:
    """The content of signature.json."""

    algorithm: str
    signature: str
    """In base64."""


def sign_seal(seal: str, private_key: str) -> dict[str, str]:
    """Sign the seal of a model.json with the key in a file."""
    made = read_private_key(private_key).sign(SIGNED + seal.encode())
    return asdict(Signature(ALGORITHM, base64.b64encode(made).decode()))


def check_signature(directory: Output, seal: str, public_key: str) -> None:
    """Refuse a model that was not signed for this key.

    Raises:
        InputError: It has no signature, or another one.
    """
    key = read_public_key(public_key)
    from cryptography.exceptions import InvalidSignature

    way_out = "Ask who has made the model, or train with --sign"
    expected, place = f"a model signed for {public_key}", directory.table(SIGNATURE)
    data = read_file(directory, SIGNATURE, MOST_BYTES)
    if data is None:
        raise InputError(expected, f"{directory.address} without {SIGNATURE}", way_out)
    try:
        found = read_record(Signature, read_json(data), SIGNATURE)
        if found.algorithm != ALGORITHM:
            raise ValueError(f"another algorithm than {ALGORITHM}")
        made = base64.b64decode(found.signature, validate=True)
        key.verify(made, SIGNED + seal.encode("utf-8", "replace"))
    except ValueError as error:
        raise InputError(expected, f"{place} ({error})", way_out) from None
    except InvalidSignature:
        raise InputError(expected, f"{place}, which does not fit", way_out) from None


def read_private_key(path: str) -> Ed25519PrivateKey:
    """Read the key that signs."""
    key = _read_key(path, "private", "--sign")
    return cast("Ed25519PrivateKey", key)


def read_public_key(path: str) -> Ed25519PublicKey:
    """Read the key that signatures are checked with."""
    key = _read_key(path, "public", "--require-signature")
    return cast("Ed25519PublicKey", key)


def _read_key(path: str, kind: str, flag: str) -> Any:
    """Read a key of a kind, and refuse what is no PEM, has a password, or is no Ed25519."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        way_out = "pip install 'spark-cxr[sign]'"
        raise SetupError(f"cryptography for {flag}", str(error), way_out) from None
    try:
        data = Path(path).read_bytes() if Path(path).is_file() else b""
        if kind == "public":
            key: Any = serialization.load_pem_public_key(data)
            is_right = isinstance(key, ed25519.Ed25519PublicKey)
        else:
            key = serialization.load_pem_private_key(data, password=None)
            is_right = isinstance(key, ed25519.Ed25519PrivateKey)
    except (OSError, TypeError, ValueError, UnsupportedAlgorithm):
        is_right = False
    if not is_right:
        way_out = "Make the pair with openssl genpkey -algorithm ed25519 and openssl pkey -pubout"
        raise ConfigError(f"a {kind} Ed25519 key in PEM as {flag}", path, way_out)
    return key
