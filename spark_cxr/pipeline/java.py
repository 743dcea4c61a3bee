"""The Java that Spark runs on, looked for before Spark is: its own complaint is longer."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from spark_cxr.errors import SetupError

JAVA = "a Java 17 or 21 (on Debian or Ubuntu: apt-get install openjdk-17-jre-headless)"
OLDEST = 17
STDERR = 2
NOISE = (
    b"WARNING: Using incubator modules",
    b"netlib-blas: JNI_OnLoad",
    b"Using Spark's default log4j profile",
    b"Setting default log level to",
    b"To adjust logging level use",
)
"""How lines begin that every Java of Spark writes, and that are no news to anybody."""


def need_java() -> int:
    """Give the feature version of the Java that Spark will take.

    Raises:
        SetupError: There is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        received = f"JAVA_HOME={home}" if home else "no java on the PATH"
        raise SetupError("a Java that Spark runs on", received, f"Install {JAVA}")
    text = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = java_version(text)
    if version < OLDEST:
        raise SetupError("a Java that Spark runs on", f"Java {version}", f"Install {JAVA}")
    return version


def java_version(text: str) -> int:
    """Read the feature version from what `java -version` prints; 0 where it prints none."""
    words = text.split('"')
    parts = words[1].split(".") if len(words) > 1 else ["0"]
    first = parts[1] if parts[0] == "1" and len(parts) > 1 else parts[0]
    digits = first.split("-")[0]
    return int(digits) if digits.isdigit() else 0


@contextmanager
def without_noise() -> Iterator[None]:
    """Let a Java that is started in the block write its errors through us, less `NOISE`.

    What starts it hands on our stderr, so for that long another file has its number.
    """
    ours = os.dup(STDERR)
    read, write = os.pipe()
    os.dup2(write, STDERR)
    os.close(write)
    threading.Thread(target=_hand_on, args=(read, ours), daemon=True).start()
    try:
        yield
    finally:
        os.dup2(ours, STDERR)


def _hand_on(read: int, ours: int) -> None:
    """Copy lines until Java has ended; what comes without an end of line goes on at once.

    Where nobody reads ours any more it goes on reading: else Java would wait for room in the pipe.
    """
    rest = b""
    while some := os.read(read, 1 << 16):
        *lines, rest = (rest + some).split(b"\n")
        kept = [line for line in lines if not line.startswith(NOISE)]
        begins = any(noise.startswith(rest) or rest.startswith(noise) for noise in NOISE)
        text = b"".join(line + b"\n" for line in kept)
        if not begins:
            text, rest = text + rest, b""
        with suppress(OSError):
            os.write(ours, text)
    os.close(read)
    os.close(ours)
