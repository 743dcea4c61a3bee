import json

import pytest

from jobs.phantoms import JOB
from spark_cxr import job
from spark_cxr.config import defaults
from spark_cxr.errors import OutputError


def drawn(out, **phantoms):
    drawing = {"count": 8, "size": 64, **phantoms}
    return job.run(JOB, None, defaults(run={"out": str(out)}, phantoms=drawing))


def test_a_folder_per_class_with_a_manifest_and_a_record(tmp_path):
    said = drawn(tmp_path / "P")
    names = {path.name for path in (tmp_path / "P").iterdir()}
    assert names == {"COVID-19", "No_findings", "Pneumonia", "manifest.csv", "run.json"}
    assert said["files"] == 8


def test_masks_lie_where_no_job_takes_them_for_films(tmp_path):
    drawn(tmp_path / "P", masks=True)
    assert len(list((tmp_path / "P" / "_masks").rglob("*.png"))) == 8


def test_the_same_seed_gives_the_same_files(tmp_path):
    drawn(tmp_path / "a")
    drawn(tmp_path / "b")
    files = [p for p in sorted((tmp_path / "a").rglob("*")) if p.is_file() and p.name != "run.json"]
    assert len(files) == 9
    for file in files:
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


def test_a_taken_folder_is_refused(tmp_path):
    drawn(tmp_path / "P")
    with pytest.raises(OutputError, match="an --out that is not taken"):
        drawn(tmp_path / "P")


def test_run_json_tells_versions_and_settings(tmp_path):
    drawn(tmp_path / "P")
    record = json.loads((tmp_path / "P" / "run.json").read_text())
    assert record["status"] == "ok"
    assert record["config"]["phantoms"]["count"] == 8
    assert record["versions"].keys() >= {"spark_cxr", "python", "numpy", "pyspark"}
