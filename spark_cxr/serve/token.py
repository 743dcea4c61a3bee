"""The token that requests must bring, where one is set."""

from __future__ import annotations

import os
from pathlib import Path

from spark_cxr.errors import ConfigError

TOKEN = "SPARK_CXR_TOKEN"
SHORTEST_TOKEN = 16


def read_token(path: str) -> str:
    """Read the token from its file, or from the environment.

    Raises:
        ConfigError: The file cannot be read, or the token is too short to be one.
    """
    told = os.environ.get(TOKEN, "")
    if path:
        try:
            told = (Path(path).read_text(encoding="ascii").splitlines() or [""])[0]
        except (OSError, ValueError) as error:
            raise ConfigError("a file with a token", f"{path} ({error})", "See --help") from None
    token, is_meant = told.strip(), bool(path or told)
    if is_meant and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        expected = f"a token of at least {SHORTEST_TOKEN} signs in --token-file or {TOKEN}"
        raise ConfigError(expected, f"one of {len(token)}", "Make one: openssl rand -hex 32")
    return token
