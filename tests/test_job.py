import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import AnalysisException

from jobs.finetune import JOB as FINETUNE
from spark_cxr import __version__, job
from spark_cxr.config import defaults
from spark_cxr.errors import InputError
from spark_cxr.job import Job, exit_code
from spark_cxr.output import KEY, RECORD, Outcome, Output, pseudonym_key
from spark_cxr.pipeline.session import Py4JError
from spark_cxr.settings import Config
from spark_cxr.training.loop import CHECKPOINT

Run = Callable[[Any, Config, Output], Outcome]


def make(run: Run) -> Job:
    """Make a job that needs no Spark."""
    return Job("fake", "Do as a test says", ("ingest",), run, needs_spark=False)


def draw(_: object, cfg: Config, output: Output) -> Outcome:
    output.write_text("films/a.txt", f"seed {cfg.run.seed}")
    return Outcome({"files": 1, "label": "Röntgen"}, "1 file")


def fail(error: BaseException) -> Run:
    def run(_: object, cfg: Config, output: Output) -> Outcome:
        output.write_text("half.txt", "half a result")
        raise error

    return run


def deny(error: OSError) -> Callable[[Output, str, bytes], None]:
    def write_bytes(_: Output, name: str, data: bytes) -> None:
        raise error

    return write_bytes


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "r"


def record(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / RECORD).read_text(encoding="utf-8"))
    return read


REFUSAL = InputError("images in --images", "none", "Check --images")
REFUSED = "fake: Expected images in --images. Received: none. Check --images.\n"


# A run that ends well


def test_good_run_exits_0(out: Path) -> None:
    assert exit_code(make(draw), ["--out", str(out)]) == 0


def test_last_line_of_stdout_is_json_of_the_run(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code(make(draw), ["--out", str(out)])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    del told["seconds"]
    assert told == {
        "job": "fake",
        "out": str(out),
        "status": "ok",
        "files": 1,
        "label": "Röntgen",
    }


def test_stdout_is_ascii_and_fits_every_terminal(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code(make(draw), ["--out", str(out)])
    assert capsys.readouterr().out.isascii()


def test_what_a_person_reads_goes_to_stderr(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exit_code(make(draw), ["--out", str(out)])
    assert capsys.readouterr().err == "1 file\n"


def test_record_of_a_good_run_says_ok(out: Path) -> None:
    exit_code(make(draw), ["--out", str(out)])
    assert record(out)["status"] == "ok"


def test_record_says_running_while_the_job_runs(out: Path) -> None:
    seen = []

    def look(_: object, cfg: Config, output: Output) -> Outcome:
        seen.append(record(out)["status"])
        return Outcome({})

    exit_code(make(look), ["--out", str(out)])
    assert seen == ["running"]


def test_record_holds_the_resolved_settings(out: Path) -> None:
    exit_code(make(draw), ["--out", str(out), "--seed", "7", "--set", "train.resamples=100"])
    config = record(out)["config"]
    assert (config["run"]["seed"], config["train"]["resamples"]) == (7, 100)


def test_record_holds_the_versions(out: Path) -> None:
    exit_code(make(draw), ["--out", str(out)])
    versions = record(out)["versions"]
    wanted = {"spark_cxr": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    assert {name: versions[name] for name in wanted} == wanted


@pytest.mark.parametrize("package", ["numpy", "pyarrow", "pyspark"])
def test_record_holds_the_version_of_a_package_as_it_calls_itself(out: Path, package: str) -> None:
    exit_code(make(draw), ["--out", str(out)])
    assert record(out)["versions"][package] == sys.modules[package].__version__


def test_record_holds_the_counts_of_the_job(out: Path) -> None:
    exit_code(make(draw), ["--out", str(out)])
    assert (record(out)["files"], record(out)["label"]) == (1, "Röntgen")


@pytest.mark.parametrize("key", ["job", "started", "git", "seconds"])
def test_record_says_what_ran_and_when(out: Path, key: str) -> None:
    exit_code(make(draw), ["--out", str(out)])
    assert key in record(out)


def test_revision_of_a_repository_around_the_installed_package_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    installed = tmp_path / "venv/site-packages/spark_cxr/job.py"
    monkeypatch.setattr(job, "__file__", str(installed))
    assert job._git_revision() is None


def test_settings_reach_the_job(out: Path) -> None:
    exit_code(make(draw), ["--out", str(out), "--seed", "42"])
    assert (out / "films/a.txt").read_text() == "seed 42"


def test_job_can_be_run_without_a_command_line(out: Path) -> None:
    told = job.run(make(draw), None, defaults(run={"out": str(out)}))
    assert (told["status"], told["files"]) == ("ok", 1)


def test_without_out_the_run_lies_under_runs_by_the_name_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exit_code(make(draw), [])
    assert [path.name[:5] for path in (tmp_path / "runs").iterdir()] == ["fake-"]


def test_help_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        exit_code(make(draw), ["--help"])
    assert (ended.value.code, "Do as a test says" in capsys.readouterr().out) == (0, True)


def test_main_ends_the_process_with_the_exit_code(out: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        job.main(make(fail(REFUSAL)), ["--out", str(out)])
    assert ended.value.code == 2


# A run that is refused


def test_refusal_exits_2_with_one_line_on_stderr(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = exit_code(make(fail(REFUSAL)), ["--out", str(out)])
    assert (code, capsys.readouterr()) == (2, ("", REFUSED))


def test_record_of_a_refused_run_says_failed_and_why(out: Path) -> None:
    exit_code(make(fail(REFUSAL)), ["--out", str(out)])
    assert (record(out)["status"], record(out)["error"]) == (
        "failed",
        "Expected images in --images. Received: none. Check --images.",
    )


def test_wrong_flag_exits_2_with_one_line_and_makes_nothing(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = exit_code(make(draw), ["--out", str(out), "--sede", "1"])
    line = "fake: Expected flags of fake. Received: --sede 1. Did you mean --seed? See fake --help"
    assert (code, capsys.readouterr().err, out.exists()) == (2, f"{line}.\n", False)


def test_line_break_in_a_message_leaves_it_one_line(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code(make(fail(InputError("a", "b\nc", "d"))), ["--out", str(out)])
    assert capsys.readouterr().err == "fake: Expected a. Received: b c. d.\n"


def test_file_system_that_gives_up_exits_2_with_one_line(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(28, "No space left on device")
    code = exit_code(make(fail(full)), ["--out", str(out)])
    assert (code, capsys.readouterr().err) == (
        2,
        "fake: Expected files that can be read and written. "
        "Received: [Errno 28] No space left on device. Correct that and run again.\n",
    )


def test_full_disk_does_not_hide_what_went_wrong(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(_: object, cfg: Config, output: Output) -> Outcome:
        monkeypatch.setattr(Output, "write_bytes", deny(OSError(28, "No space left on device")))
        raise REFUSAL

    exit_code(make(run), ["--out", str(out)])
    assert capsys.readouterr().err == REFUSED


@pytest.mark.parametrize("bug", [ZeroDivisionError("division by zero"), KeyboardInterrupt()])
def test_bug_and_interruption_are_not_hidden(out: Path, bug: BaseException) -> None:
    with pytest.raises(type(bug)):
        exit_code(make(fail(bug)), ["--out", str(out)])


@pytest.mark.parametrize(
    ("bug", "why"),
    [
        (ZeroDivisionError("division by zero"), "division by zero"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_record_of_a_bug_or_an_interruption_says_failed(
    out: Path, bug: BaseException, why: str
) -> None:
    with pytest.raises(type(bug)):
        exit_code(make(fail(bug)), ["--out", str(out)])
    assert (record(out)["status"], record(out)["error"]) == ("failed", why)


# A run that Spark ends


def test_error_of_spark_exits_2_with_its_first_line(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = AnalysisException("[COLUMN] A column `x` is missing.\n'Project [x]\n")
    code = exit_code(make(fail(error)), ["--out", str(out)])
    assert (code, capsys.readouterr().err) == (
        2,
        "fake: Expected Spark to finish. Received: [COLUMN] A column `x` is missing.. "
        "The whole message stands in run.json.\n",
    )


WORKER = """
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "worker.py", line 1, in look
    load(name)
spark_cxr.errors.SetupError: Expected openvino. Received: nothing. Install it.
"""
JAVA = """An error occurred while calling o52.parquet.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 failed 1 times
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2844)
"""
LOST = """An error occurred while calling o52.parquet.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 failed 1 times
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "worker.py", line 1, in look
    import gdcm
ModuleNotFoundError: No module named 'gdcm'

\tat org.apache.spark.api.python.BasePythonRunner.read(PythonRunner.scala:572)
Driver stacktrace:
"""


@pytest.mark.parametrize(
    ("message", "gist"),
    [
        (
            WORKER,
            "spark_cxr.errors.SetupError: Expected openvino. Received: nothing. Install it.",
        ),
        (
            JAVA,
            "org.apache.spark.SparkException: "
            "Job aborted due to stage failure: Task 0 failed 1 times",
        ),
        (LOST, "ModuleNotFoundError: No module named 'gdcm'"),
        ("", "no word from Spark"),
    ],
)
def test_line_that_tells_most_is_taken_from_what_spark_says(message: str, gist: str) -> None:
    assert job._gist(message) == gist


def test_error_of_java_that_pyspark_has_no_class_for_exits_2(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = exit_code(make(fail(Py4JError(JAVA))), ["--out", str(out)])
    told = "Job aborted due to stage failure: Task 0 failed 1 times"
    assert (code, told in capsys.readouterr().err) == (2, True)


# The directory


def run_again(out: Path, *argv: str) -> int:
    return exit_code(make(draw), ["--out", str(out), *argv])


def test_taken_directory_is_refused_and_keeps_its_result(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_again(out, "--seed", "1")
    capsys.readouterr()
    assert (run_again(out, "--seed", "2"), capsys.readouterr().err) == (
        2,
        f"fake: Expected an --out that is not taken. Received: --out={out}. "
        "Add --overwrite or choose another.\n",
    )
    assert (out / "films/a.txt").read_text() == "seed 1"


def test_overwrite_puts_the_new_result_in_place_of_the_old(out: Path) -> None:
    run_again(out, "--seed", "1")
    (out / "old.html").write_text("old", encoding="utf-8")
    run_again(out, "--seed", "2", "--overwrite")
    left = sorted(str(path.relative_to(out)) for path in out.rglob("*"))
    assert (left, (out / "films/a.txt").read_text()) == (
        ["films", "films/a.txt", RECORD],
        "seed 2",
    )


def test_overwrite_takes_the_place_of_a_failed_run(out: Path) -> None:
    exit_code(make(fail(REFUSAL)), ["--out", str(out)])
    run_again(out, "--overwrite")
    assert (record(out)["status"], (out / "half.txt").exists()) == ("ok", False)


def test_overwrite_keeps_the_key_of_the_pseudonyms(out: Path) -> None:
    run_again(out)
    key = pseudonym_key(Output(str(out)), None)
    run_again(out, "--overwrite")
    assert (out / KEY).read_bytes() == key


def test_overwrite_of_a_foreign_directory_is_refused(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out.mkdir()
    (out / "thesis.tex").write_text("years of work", encoding="utf-8")
    assert (run_again(out, "--overwrite"), capsys.readouterr().err) == (
        2,
        f"fake: Expected an --out that is new, empty or of spark_cxr. Received: --out={out}. "
        "Choose another: only what spark_cxr made is replaced.\n",
    )
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("flag", ["--images", "--labels"])
def test_overwrite_of_what_the_job_is_to_read_is_refused(
    out: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    run_again(out)
    capsys.readouterr()
    path = str(out / "films")
    assert (run_again(out, "--overwrite", flag, path), capsys.readouterr().err) == (
        2,
        f"fake: Expected an --out that holds nothing to be read. Received: --out={out}. "
        f"Choose another: --overwrite would delete {path}.\n",
    )
    assert (out / "films/a.txt").exists()


def test_out_that_is_a_file_is_refused(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out.write_text("", encoding="utf-8")
    assert (run_again(out, "--overwrite"), capsys.readouterr().err) == (
        2,
        f"fake: Expected a directory as --out. Received: --out={out}, a file. Choose another.\n",
    )


def test_out_that_became_unwritable_is_refused(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = PermissionError(13, f"Failed to open local file '{out}'")
    monkeypatch.setattr(Output, "write_bytes", deny(denied))
    assert (run_again(out), capsys.readouterr().err) == (
        2,
        "fake: Expected files that can be read and written. "
        f"Received: [Errno 13] Failed to open local file '{out}'. Correct that and run again.\n",
    )


# A job that goes on where it was cut off


def cut_off(out: Path, *argv: str, run: Run | None = None) -> int:
    """Run a job that goes on; at first it fails with half a result."""
    going = Job(
        "fake", "Do as a test says", ("ingest",), run or fail(REFUSAL), False, goes_on="half.txt"
    )
    return exit_code(going, ["--out", str(out), *argv])


def add(_: object, cfg: Config, output: Output) -> Outcome:
    found = output.read_bytes("half.txt") or b"nothing"
    return Outcome({"found": found.decode()})


def test_same_command_finds_what_the_one_that_was_cut_off_has_left(out: Path) -> None:
    cut_off(out)
    assert cut_off(out, run=add) == 0
    assert record(out)["found"] == "half a result"


def test_it_says_that_it_goes_on(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(out)
    cut_off(out, run=add)
    assert f"fake: goes on in {out}\n" in capsys.readouterr().err


def test_overwrite_begins_anew(out: Path) -> None:
    cut_off(out)
    assert cut_off(out, "--overwrite", run=add) == 0
    assert record(out)["found"] == "nothing"


def test_other_settings_do_not_go_on(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(out, "--images", "a")
    capsys.readouterr()
    assert cut_off(out, "--images", "b", run=add) == 2
    assert capsys.readouterr().err == (
        f"fake: Expected the settings of the run that was cut off in --out={out}. "
        "Received: ingest.images=['b'], then ['a']. "
        "Give the same, choose another --out, or begin anew with --overwrite.\n"
    )
    assert (out / "half.txt").exists()


def test_another_seed_does_not_go_on(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(out)
    capsys.readouterr()
    assert cut_off(out, "--seed", "3", run=add) == 2
    assert "Received: run.seed=3, then 0." in capsys.readouterr().err


def test_what_another_job_left_is_not_gone_on_with(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Job("other", "Do as a test says", ("ingest",), fail(REFUSAL), needs_spark=False)
    exit_code(other, ["--out", str(out)])
    capsys.readouterr()
    assert cut_off(out, run=add) == 2
    assert f"Received: --out={out} of other {__version__}. " in capsys.readouterr().err


def test_finished_run_is_not_gone_on_with(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(out, run=draw)
    capsys.readouterr()
    assert cut_off(out, run=add) == 2
    assert "Expected an --out that is not taken." in capsys.readouterr().err


def test_job_that_cannot_go_on_begins_anew_where_it_failed(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code(make(fail(REFUSAL)), ["--out", str(out)])
    capsys.readouterr()
    assert exit_code(make(add), ["--out", str(out), "--images", "b"]) == 0
    assert record(out)["found"] == "nothing"
    said = f"fake: takes the place of the run that failed in {out}"
    assert said in capsys.readouterr().err.splitlines()


def test_other_settings_begin_anew_where_nothing_was_begun(out: Path) -> None:
    def refuse(_: object, cfg: Config, output: Output) -> Outcome:
        output.write_text("images.txt", "made again in no time")
        raise REFUSAL

    cut_off(out, "--images", "a", run=refuse)
    assert cut_off(out, "--images", "b", run=add) == 0
    assert (out / "images.txt").exists() is False


def test_another_job_does_not_take_the_place_of_a_failed_run(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code(make(fail(REFUSAL)), ["--out", str(out)])
    other = Job("other", "Do as a test says", ("ingest",), add, needs_spark=False)
    assert exit_code(other, ["--out", str(out)]) == 2
    assert "Expected an --out that is not taken." in capsys.readouterr().err
    assert (out / "half.txt").exists()


def test_finetune_goes_on_once_it_has_a_checkpoint() -> None:
    assert FINETUNE.goes_on == CHECKPOINT


# A run that is refused before it did anything


def refuse_at_once(_: object, cfg: Config, output: Output) -> Outcome:
    pseudonym_key(output, None)
    raise REFUSAL


def test_run_that_is_refused_at_once_leaves_no_directory(out: Path) -> None:
    assert exit_code(make(refuse_at_once), ["--out", str(out)]) == 2
    assert not out.exists()


def test_run_that_is_refused_at_once_keeps_what_was_there(out: Path) -> None:
    run_again(out)
    key = pseudonym_key(Output(str(out)), None)
    exit_code(make(refuse_at_once), ["--out", str(out), "--overwrite"])
    assert ((out / KEY).read_bytes(), record(out)["status"]) == (key, "failed")
    assert run_again(out) == 0


def test_bug_at_once_leaves_its_record(out: Path) -> None:
    def run(_: object, cfg: Config, output: Output) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code(make(run), ["--out", str(out)])
    assert record(out)["status"] == "failed"


@pytest.mark.parametrize("flag", ["table", "features"])
def test_what_goes_on_from_a_run_does_not_take_its_place(out: Path, flag: str) -> None:
    exit_code(make(fail(REFUSAL)), ["--out", str(out)])
    section = {"table": "features", "features": "train"}[flag]
    assert run_again(out, "--set", f"{section}.{flag}={out}") == 2
    assert (out / "half.txt").exists()


# What a killed run leaves


def killed(out: Path, host: str) -> None:
    """Leave what a run leaves that was killed amid its first tables."""
    for name in ("_step_a/rows/_temporary", "backbones/x/_step_b/rows", "images/_temporary/0"):
        (out / name).mkdir(parents=True)
        (out / name / "part.parquet").write_text("Miller", encoding="utf-8")
    (out / ".report.html.00.half").write_text("Miller", encoding="utf-8")
    written = {"job": "fake", "status": "running", "versions": {"spark_cxr": "0"}, "host": host}
    (out / RECORD).write_text(json.dumps(written), encoding="utf-8")


def test_next_run_sweeps_up_after_a_killed_one_also_where_it_is_refused(out: Path) -> None:
    killed(out, platform.node())
    assert run_again(out) == 2
    assert [path.name for path in out.rglob("*") if path.is_file()] == [RECORD]


def test_run_of_another_machine_is_left_alone(out: Path) -> None:
    killed(out, "another")
    assert run_again(out) == 2
    assert len([path for path in out.rglob("*") if path.is_file()]) == 5
