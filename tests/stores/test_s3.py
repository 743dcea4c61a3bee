"""A real S3 server on loopback: `s3a:` of Hadoop in Spark, Arrow in Python (`make test-stores`).

moto keeps the objects; hadoop-aws and its SDK come in a package of PyPI. That hadoop-aws is older
than the Hadoop of Spark, so some of its defaults are written out (`SPARK_DEFAULTS`).
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from spark_cxr.model.model import load_model

ROOT = Path(__file__).parents[2]
SERVER = ROOT / ".venv-s3" / "bin" / "moto_server"
JARS = sorted((ROOT / ".venv-s3" / "jars").glob("*.jar"))
PROGRAM = ROOT / ".venv" / "bin" / "spark-cxr"
SPARK_DEFAULTS = """
spark.driver.extraClassPath {jars}
spark.hadoop.fs.s3a.endpoint {endpoint}
spark.hadoop.fs.s3a.access.key key
spark.hadoop.fs.s3a.secret.key secret
spark.hadoop.fs.s3a.path.style.access true
spark.hadoop.fs.s3a.connection.ssl.enabled false
spark.hadoop.fs.s3a.aws.credentials.provider org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider
spark.hadoop.fs.s3a.threads.keepalivetime 60
spark.hadoop.fs.s3a.connection.establish.timeout 5000
spark.hadoop.fs.s3a.connection.timeout 200000
spark.hadoop.fs.s3a.multipart.purge.age 86400
"""
FILMS, BAD = 40, 4
TAKEN_OVER = 300
"""Seconds after which the lease of a run that was killed is in other hands."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (SERVER.exists() and JARS), reason="needs moto: make test-stores"),
]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """Start a server, and let Arrow in this process know it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path_factory.mktemp("moto") / "log").open("w") as log:
        server = subprocess.Popen([SERVER, "-p", str(port)], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    ends = time.monotonic() + 60
    while True:
        try:
            urlopen(address, timeout=5).close()
            break
        except (URLError, ConnectionError):
            assert time.monotonic() < ends, "moto does not answer"
            time.sleep(0.2)
    yield address
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def environment(endpoint, tmp_path_factory):
    conf = tmp_path_factory.mktemp("conf")
    jars = os.pathsep.join(map(str, JARS))
    text = SPARK_DEFAULTS.format(jars=jars, endpoint=endpoint)
    (conf / "spark-defaults.conf").write_text(text)
    own = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "SPARK_CONF_DIR": str(conf),
    }
    with pytest.MonkeyPatch.context() as here:
        for name, value in own.items():
            here.setenv(name, value)
        yield dict(os.environ)


@pytest.fixture(scope="module")
def store(environment, tmp_path_factory):
    """Lay drawn films into a bucket, as files and as a zip; also give the folder here."""
    here = tmp_path_factory.mktemp("films") / "P"
    drawn = ("--count", FILMS, "--size", 64, "--bad", BAD, "--formats", "png,dicom")
    spark_cxr(environment, "phantoms", *drawn, "--out", here)
    shutil.make_archive(str(here), "zip", here)
    address = environment["AWS_ENDPOINT_URL"]
    s3 = fs.S3FileSystem(endpoint_override=address, allow_bucket_creation=True)
    s3.create_dir("cxr")
    fs.copy_files(str(here), "cxr/P", destination_filesystem=s3)
    fs.copy_files(str(here.parent / "P.zip"), "cxr/P.zip", destination_filesystem=s3)
    return s3, here


def spark_cxr(environment, *words, fails=False):
    """Run a verb; give its line of JSON."""
    command = [PROGRAM, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr[-3000:]
    return done.stderr if fails else json.loads(done.stdout.splitlines()[-1])


def rows(store, place):
    return pq.read_table(place, filesystem=store).to_pylist()


def looked_at(store, place):
    """Say of each file, by its name in the folder, what it is."""
    images, quarantine = (rows(store, f"{place}/{name}") for name in ("images", "quarantine"))
    films = {end_of(row["path"]): (row["sha256"], row["label"]) for row in images}
    return films, {end_of(row["path"]): (row["sha256"], row["reason"]) for row in quarantine}


def end_of(path):
    """Leave the folder, or the archive, out of a path."""
    return path.replace("P.zip!/", "P/").rpartition("/P/")[2]


def labels_of(here):
    return ("--labels", here / "manifest.csv", "--films-a-class", 0)


@pytest.fixture(scope="module")
def ingested(environment, store):
    """What a folder of this disk gives."""
    _, here = store
    out = here.parent / "T"
    spark_cxr(environment, "ingest", "--images", here, *labels_of(here), "--out", out)
    return looked_at(fs.LocalFileSystem(), out)


@pytest.mark.parametrize("films", ["P", "P.zip"])
def test_films_of_a_bucket_are_those_of_a_folder(environment, store, ingested, films):
    s3, here = store
    out = f"cxr/T-{films}"
    words = ("--images", f"s3a://cxr/{films}", *labels_of(here), "--out", f"s3a://{out}")
    spark_cxr(environment, "ingest", *words)
    assert looked_at(s3, out) == ingested


def test_a_model_is_trained_into_a_bucket_and_read_from_it(environment, store):
    _, here = store
    words = ("--images", "s3a://cxr/P", "--labels", here / "manifest.csv", "--backbone", "fake")
    told = spark_cxr(environment, "train-lr", *words, "--out", "s3a://cxr/R")
    assert told["n_train"] + told["n_test"] == FILMS - BAD
    film = next(path for path in here.rglob("*.png") if path.stat().st_size)
    (answer,) = load_model("s3a://cxr/R/model").predict(film.read_bytes())
    assert sum(answer.probabilities.values()) == pytest.approx(1)


def scoring(table):
    return (
        *("score", "--model", "s3a://cxr/R/model", "--images", "s3a://cxr/P"),
        *("--table", f"s3a://cxr/{table}", "--max-files-per-trigger", 1),
    )


def test_each_film_is_scored_once_whoever_is_killed(environment, store):
    """Kill a run within its batches; the next waits until the lease has run out, and goes on."""
    s3, _ = store
    command = [PROGRAM, *map(str, scoring("S"))]
    log = subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, stdout=log, stderr=log, start_new_session=True
    ) as first:
        ends = time.monotonic() + 300
        while not s3.get_file_info(fs.FileSelector("cxr/S", allow_not_found=True, recursive=True)):
            assert first.poll() is None and time.monotonic() < ends
            time.sleep(0.2)
        while not committed(s3, "cxr/S"):
            assert first.poll() is None and time.monotonic() < ends
            time.sleep(0.1)
        refused = spark_cxr(environment, *scoring("S"), fails=True)
        assert "held by" in refused
        os.killpg(first.pid, signal.SIGKILL)
    begun = time.monotonic()
    done = committed(s3, "cxr/S")
    spark_cxr(environment, *scoring("S"), "--wait")
    assert time.monotonic() - begun < TAKEN_OVER
    found = committed(s3, "cxr/S")
    assert 0 < len(done) < len(found) == FILMS - BAD
    assert len({row["sha256"] for row in found}) == len({row["path"] for row in found})
    assert spark_cxr(environment, *scoring("S"))["scored"] == 0


def committed(store, table):
    """Give the rows of a table of scores; names with an underscore are none of it."""
    chosen = fs.FileSelector(table, recursive=True)
    files = [each.path for each in store.get_file_info(chosen) if each.path.endswith(".parquet")]
    own = [path for path in files if not any(p[0] in "._" for p in path.split("/")[2:])]
    return [row for path in own for row in rows(store, path)]
