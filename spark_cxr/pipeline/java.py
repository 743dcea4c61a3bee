"""The Java that Spark runs on, looked for before Spark is: its own complaint is longer."""

from __future__ import annotations

import os
import shutil
import subprocess

from spark_cxr.errors import SetupError

JAVA = "a Java 17 or 21 (on Debian or Ubuntu: apt-get install openjdk-17-jre-headless)"
OLDEST = 17


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
