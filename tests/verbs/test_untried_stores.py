"""What has never run anywhere is refused until somebody asks for it."""

import pytest

from jobs.ingest import JOB as INGEST
from jobs.phantoms import JOB as PHANTOMS
from jobs.score import JOB as SCORE
from jobs.watch import JOB as WATCH
from spark_cxr import job as frame
from spark_cxr.config import defaults, flagged_items
from spark_cxr.errors import ConfigError
from spark_cxr.verbs.stores import check_stores


def refusal(job, **settings):
    with pytest.raises(ConfigError) as caught:
        check_stores(defaults(**settings), ("run", *job.sections))
    return str(caught.value)


@pytest.mark.parametrize(
    "address", ["hdfs:///films", "gs://b/films", "abfss://a/films", "WASBS://a/films"]
)
def test_films_in_a_store_that_was_never_tried_are_refused(address):
    received = refusal(INGEST, ingest={"images": ["here", address]})
    assert f"Received: --images {address}. Say --experimental" in received
    cfg = defaults(ingest={"images": [address]}, stores={"experimental": True})
    check_stores(cfg, ("run", *INGEST.sections))


def test_results_and_tables_are_refused_there_too():
    assert "--out hdfs:///T" in refusal(INGEST, run={"out": "hdfs:///T"})
    assert "--table gs://b/T" in refusal(SCORE, score={"table": "gs://b/T"})


def test_delta_is_refused():
    assert "Received: --format delta. Say --experimental" in refusal(
        SCORE, score={"format": "delta"}
    )


def test_no_password_is_shown():
    assert "secret" not in refusal(INGEST, ingest={"images": ["hdfs://me:secret@host/films"]})


@pytest.mark.parametrize(
    "address", ["s3a://b/films", "/films", "gs", "hdfs", "dbfs:/films", "sql:SELECT 'gs' AS image"]
)
def test_all_else_is_taken(address):
    check_stores(defaults(ingest={"images": [address]}), ("run", *INGEST.sections))


@pytest.mark.parametrize("job", [INGEST, SCORE])
def test_jobs_have_the_flag(job):
    assert "experimental" in {item.name for _, item in flagged_items(job.sections)}


@pytest.mark.parametrize(
    ("job", "settings"),
    [(PHANTOMS, {"run": {"out": "gs://b/P"}}), (WATCH, {"watch": {"table": "hdfs:///T"}})],
)
def test_jobs_without_spark_refuse_them_too(job, settings):
    with pytest.raises(ConfigError, match="Say --experimental"):
        frame.run(job, None, defaults(**settings))
