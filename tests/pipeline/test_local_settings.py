"""A session of this machine: its page, and the JVM of a job that only passes over films."""

import os
import subprocess
import sys

import pytest

from spark_cxr.cli import JOBS
from spark_cxr.pipeline.local_settings import (
    DRIVER,
    EXECUTOR,
    LATER,
    PAGE,
    PASSES,
    SHORT_FITS,
    local_settings,
)


def of_the_jvm(environment):
    settings = local_settings("score", environment)
    return {key: value for key, value in settings.items() if key != PAGE}


SIMPLE, SERIAL = "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"


def test_jobs_that_fit_something_are_no_passes():
    assert set(JOBS) >= PASSES
    fits = {name for name in JOBS if name.startswith(("train", "compare", "audit", "finetune"))}
    assert (fits & PASSES, SHORT_FITS - fits) == (set(), set())


@pytest.mark.parametrize("job", sorted(SHORT_FITS))
def test_a_short_fit_calls_the_second_compiler_later_and_never_does_without_it(job):
    settings = local_settings(job, {})
    assert settings[DRIVER] == settings[EXECUTOR] == LATER
    assert "TieredStopAtLevel" not in LATER
    assert DRIVER not in local_settings(
        job, {"JAVA_TOOL_OPTIONS": "-XX:Tier4InvocationThreshold=9"}
    )


def test_a_pass_compiles_simply_and_sweeps_with_one_thread():
    assert of_the_jvm({}) == dict.fromkeys((DRIVER, EXECUTOR), f"{SIMPLE} {SERIAL}")


@pytest.mark.parametrize(
    "variable", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS", "_JAVA_OPTIONS"]
)
@pytest.mark.parametrize(
    ("own", "left"),
    [
        ("-XX:+UseG1GC", SIMPLE),
        ("-XX:+UseParallelGC -Dx=y", SIMPLE),
        ("-XX:TieredStopAtLevel=4", SERIAL),
        ("-XX:-TieredCompilation", SERIAL),
        ("-Dx=y -Xmx2g", f"{SIMPLE} {SERIAL}"),
    ],
)
def test_what_the_environment_says_of_the_jvm_stays(variable, own, left):
    assert of_the_jvm({variable: own}) == dict.fromkeys((DRIVER, EXECUTOR), left)


def test_what_the_settings_of_spark_say_of_the_jvm_stays(tmp_path):
    (tmp_path / "spark-defaults.conf").write_text(
        "# spark.driver.extraJavaOptions -XX:TieredStopAtLevel=3\n"
        "spark.driver.extraJavaOptions -XX:+UseZGC\n"
        f"{EXECUTOR} -Dx=y\n"
    )
    assert of_the_jvm({"SPARK_CONF_DIR": str(tmp_path)}) == {DRIVER: SIMPLE}


def test_what_a_file_or_a_flag_for_pyspark_says_of_the_jvm_stays(tmp_path):
    file = tmp_path / "own.conf"
    file.write_text("spark.driver.extraJavaOptions=-XX:+UseG1GC\n")
    for words in (f"--properties-file {file}", f"--properties-file={file}"):
        arguments = {"PYSPARK_SUBMIT_ARGS": f"{words} pyspark-shell"}
        assert of_the_jvm(arguments) == dict.fromkeys((DRIVER, EXECUTOR), SIMPLE)
    flag = "--driver-java-options '-XX:+UseG1GC -XX:TieredStopAtLevel=4' pyspark-shell"
    assert of_the_jvm({"PYSPARK_SUBMIT_ARGS": flag}) == {}


PROGRAM = """
from spark_cxr.pipeline.session import open_session
spark = open_session("score")
print(*spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments())
"""


def test_the_jvm_gets_what_the_user_sets_and_ours_beside_it(tmp_path):
    own = "spark.driver.extraJavaOptions -XX:TieredStopAtLevel=4 -Dx=y\n"
    (tmp_path / "spark-defaults.conf").write_text(own)
    known = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    environment = {**known, "SPARK_CONF_DIR": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    words = said.stdout.split()
    assert (SERIAL in words, SIMPLE in words) == (True, False)
    assert {"-XX:TieredStopAtLevel=4", "-Dx=y"} <= set(words)


def test_a_job_that_fits_gets_the_jvm_as_it_is():
    assert local_settings("compare", {}) == {PAGE: "false"}


def test_the_page_stays_where_somebody_wants_it():
    arguments = {"PYSPARK_SUBMIT_ARGS": f"--conf {PAGE}=true pyspark-shell"}
    assert local_settings("compare", arguments) == {}
