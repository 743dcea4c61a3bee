import subprocess
import sys

import pytest

from spark_cxr.errors import SetupError
from spark_cxr.pipeline.java import java_version, need_java


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21-ea" 2023-09-19', 21),
        ("", 0),
    ],
)
def test_javas_version_is_read_from_what_it_prints(text, version):
    assert java_version(text) == version


def test_no_java_is_one_line_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError) as error:
        need_java()
    assert str(error.value) == (
        "Expected a Java that Spark runs on. Received: no java on the PATH. "
        "Install a Java 17 or 21 (on Debian or Ubuntu: apt-get install openjdk-17-jre-headless)."
    )


def test_an_old_java_is_refused(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'java version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SetupError, match=r"Received: Java 8"):
        need_java()


NOISY = """
import subprocess, sys
from spark_cxr.pipeline.java import without_noise

with without_noise():
    # A program that is started now keeps this stderr, as Spark's Java does.
    child = subprocess.Popen([sys.executable, "-c", '''if True:
        import sys, time
        time.sleep(0.3)
        for line in ("WARNING: Using incubator modules", "ERROR: one", "netlib-blas: JNI_OnLoad"):
            print(line, file=sys.stderr)
        print("no end of line", end="", file=sys.stderr, flush=True)
    '''])
child.wait()
import time
time.sleep(0.3)
print("| ours", file=sys.stderr)
"""


def test_what_every_java_says_is_left_out_and_all_else_comes():
    done = subprocess.run([sys.executable, "-c", NOISY], capture_output=True, text=True, check=True)
    assert done.stderr == "ERROR: one\nno end of line| ours\n"


UNREAD = """
import os, subprocess, sys
from spark_cxr.pipeline.java import without_noise

read, write = os.pipe()
os.dup2(write, 2)
with without_noise():
    command = "import os; [os.write(2, bytes(4096)) for _ in range(64)]"
    child = subprocess.Popen([sys.executable, "-c", command])
os.close(read)
sys.exit(child.wait(timeout=30))
"""


def test_java_never_waits_for_who_reads_no_more():
    assert subprocess.run([sys.executable, "-c", UNREAD], timeout=60, check=False).returncode == 0
