"""The verb watch: a table of scores in, alarms, a page and words out; without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.watch import JOB
from spark_cxr.cli import get
from tests.report.outline import read
from tests.verbs.watch.drawn_scores import (
    LABELS,
    SCORES,
    START,
    draw_week,
    refused_rows,
    write_course,
    write_rows,
)

WEEKS = 16
FILMS = 210


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave a table of 16 weeks in which nothing moves."""
    table = tmp_path_factory.mktemp("quiet") / "T"
    write_course(table, WEEKS, films=FILMS)
    return table


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave a table in which the last two weeks have other classes."""
    table = tmp_path_factory.mktemp("moved") / "T"
    write_course(table, WEEKS, shift_from=WEEKS - 2, films=FILMS)
    return table


def watch(table: Path, out: Path, *more: str) -> int:
    return JOB.exit_code(["--table", str(table), "--out", str(out), *more])


def refusal(capsys: pytest.CaptureFixture[str], table: Path, out: Path, *more: str) -> str:
    assert watch(table, out, *more) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def left(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / name).read_text("utf-8"))
    return found


def measures(out: Path) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in left(out, "watch.json")["models"][0]["measures"]}


# What it says


def test_a_table_in_which_nothing_moves_is_quiet(quiet: Path, tmp_path: Path) -> None:
    assert watch(quiet, tmp_path / "W", "--fail-on-alarm") == 0
    assert left(tmp_path / "W", "alerts.json") == {"format": 1, "status": "quiet", "alarms": []}


def test_classes_that_move_are_an_alarm(moved: Path, tmp_path: Path) -> None:
    assert watch(moved, tmp_path / "W") == 0
    alerts = left(tmp_path / "W", "alerts.json")
    found = {each["measure"] for each in alerts["alarms"]}
    assert (alerts["status"], found) == ("alarm", {"share Normal", "share COVID-19"})


def test_an_alarm_is_an_exit_code_where_that_is_wanted(moved: Path, tmp_path: Path) -> None:
    assert watch(moved, tmp_path / "W", "--fail-on-alarm") == 3
    assert left(tmp_path / "W", "run.json")["status"] == "ok"


def test_figures_of_a_week_are_those_of_its_rows(quiet: Path, tmp_path: Path) -> None:
    watch(quiet, tmp_path / "W")
    rows = pq.read_table(sorted(quiet.glob("scored_on=*/week-0.parquet"))[0]).to_pylist()
    found = measures(tmp_path / "W")
    covid = sum(row["prediction"] == "COVID-19" for row in rows) / FILMS
    assert found["share COVID-19"]["values"][0] == pytest.approx(covid)
    sure = np.mean([row["confidence"] for row in rows])
    assert found["mean confidence"]["values"][0] == pytest.approx(sure)
    assert found["refused"]["values"][0] == pytest.approx(3 / (FILMS + 3))
    assert found["refused: truncated"]["films"][0] == FILMS + 3


def test_page_shows_every_measure_and_every_week(moved: Path, tmp_path: Path) -> None:
    watch(moved, tmp_path / "W")
    found = read((tmp_path / "W" / "report.html").read_text("utf-8"))
    assert found.tags.count("svg") == len(measures(tmp_path / "W"))
    assert "2024-W16" in found.text
    assert "2 measures moved : share Normal, share COVID-19." in found.text
    assert len(found.ids) == len(set(found.ids))


def test_a_short_table_says_what_is_missing(tmp_path: Path) -> None:
    write_course(tmp_path / "T", 3)
    assert watch(tmp_path / "T", tmp_path / "W") == 0
    assert left(tmp_path / "W", "alerts.json")["status"] == "learning"
    reference = left(tmp_path / "W", "watch.json")["models"][0]["reference"]
    assert reference.startswith("None yet: 3 of 12 weeks with films since 2024-01-01")


def test_a_week_that_is_not_over_is_shown_and_not_tested(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    start = now - timedelta(days=now.weekday() + 7 * 12, hours=now.hour - 8, minutes=now.minute)
    rng = np.random.default_rng(0)
    for week in range(12):
        write_rows(tmp_path / "T", draw_week(week, rng, start=start), f"week-{week}")
    few = [{**row, "scored_at": now} for row in draw_week(12, rng, shares=(0.0, 0.0, 1.0))]
    write_rows(tmp_path / "T", few, "now")
    watch(tmp_path / "T", tmp_path / "W")
    model = left(tmp_path / "W", "watch.json")["models"][0]
    assert [period["is_over"] for period in model["periods"]] == [True] * 12 + [False]
    assert model["alarms"] == []


def test_days_are_looked_at_too(moved: Path, tmp_path: Path) -> None:
    watch(moved, tmp_path / "W", "--by", "day")
    assert left(tmp_path / "W", "alerts.json")["status"] == "alarm"
    assert len(left(tmp_path / "W", "watch.json")["models"][0]["periods"]) == 7 * WEEKS


def test_refusals_are_an_alarm(tmp_path: Path) -> None:
    write_course(tmp_path / "T", 14, films=FILMS)
    for week in (12, 13):
        more = refused_rows(week, 30, reason="too_large")
        write_rows(tmp_path / "T", more, f"more-{week}", "_quarantine")
    watch(tmp_path / "T", tmp_path / "W")
    found = {each["measure"] for each in left(tmp_path / "W", "alerts.json")["alarms"]}
    assert found == {"refused", "refused: too_large"}


def test_each_model_is_watched_by_itself(tmp_path: Path) -> None:
    write_course(tmp_path / "T", 3, model="first")
    rng = np.random.default_rng(1)
    write_rows(tmp_path / "T", draw_week(1, rng, model="second"), "second")
    watch(tmp_path / "T", tmp_path / "W")
    models = {m["model"]: m["films"] for m in left(tmp_path / "W", "watch.json")["models"]}
    assert models == {"first": 420, "model-a": 9, "second": 140}


def test_findings_count_one_by_one(tmp_path: Path) -> None:
    rows = draw_week(0, np.random.default_rng(0), films=4)
    names = ("Effusion|Mass", "Mass", "No Finding", None)
    for row, name in zip(rows, names, strict=True):
        row |= {"prediction": name, "probabilities": [("Effusion", 0.9), ("Mass", 0.8)]}
    rows[3] |= {"confidence": None, "flags": ["not_an_xray"]}
    write_rows(tmp_path / "T", rows)
    write_course(tmp_path / "T", 2, model="other")
    watch(tmp_path / "T", tmp_path / "W", "--reference", "2")
    (model,) = [
        m for m in left(tmp_path / "W", "watch.json")["models"] if m["labels"][0] == "Effusion"
    ]
    assert model["labels"] == ["Effusion", "Mass"]


# What lies beside the table


def test_mix_of_films_is_watched(quiet: Path, tmp_path: Path) -> None:
    rows = [
        {"path": row["path"], "sha256": row["sha256"], "view": "PA", "age": 70, "sex": "F"}
        for path in sorted(quiet.glob("scored_on=*/*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    for row in rows[-2 * FILMS :]:
        row["view"] = "AP"
    (tmp_path / "I" / "images").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "I" / "images" / "part-0.parquet")
    watch(quiet, tmp_path / "W", "--films", str(tmp_path / "I"))
    found = {each["measure"] for each in left(tmp_path / "W", "alerts.json")["alarms"]}
    assert found == {"view: PA", "view: AP"}
    assert measures(tmp_path / "W")["age: 65+"]["usual"] == 1


def test_late_labels_say_how_often_answers_are_right(quiet: Path, tmp_path: Path) -> None:
    lines, right = ["file,label"], 0
    rows = pq.read_table(sorted(quiet.glob("scored_on=*/week-0.parquet"))[0]).to_pylist()
    for number, row in enumerate(rows[:60]):
        wrong = number % 3 == 0
        label = LABELS[(LABELS.index(row["prediction"]) + wrong) % 3]
        right += not wrong
        name = row["path"].rpartition("/")[2]
        lines.append(f"{name if number % 2 else name.removesuffix('.png')},{label}")
    lines.append("film-0-100.png,Tuberculosis")
    (tmp_path / "labels.csv").write_text("\n".join(lines), encoding="utf-8")
    watch(quiet, tmp_path / "W", "--labels", str(tmp_path / "labels.csv"))
    model = left(tmp_path / "W", "watch.json")["models"][0]
    assert (model["labelled"][0]["films"], model["labelled"][0]["right"]) == (60, right)
    assert 0.5 < model["labelled"][0]["auc"] < 1
    assert model["labelled"][1] is None
    assert any("Tuberculosis (1)" in note for note in model["notes"])


# What is refused, and in which words


def test_a_table_must_be_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert JOB.exit_code(["--out", str(tmp_path / "W")]) == 2
    assert "Expected --table DIR" in capsys.readouterr().err


def test_nothing_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    line = refusal(capsys, tmp_path / "none", tmp_path / "W")
    assert line.startswith("watch: Expected a directory as --table. Received: ")


def test_an_empty_table_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_rows(tmp_path / "T", [])
    line = refusal(capsys, tmp_path / "T", tmp_path / "W")
    assert line.startswith("watch: Expected a table of scores with rows.")
    assert not (tmp_path / "W").exists()


def test_a_file_that_is_cut_off_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "T", draw_week(0, np.random.default_rng(0)))
    path.write_bytes(path.read_bytes()[:-500])
    line = refusal(capsys, tmp_path / "T", tmp_path / "W")
    assert line.startswith("watch: Expected whole Parquet files in --table. Received: ")
    assert "run.parquet" in line


def test_other_columns_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "T").mkdir()
    pq.write_table(pa.table({"path": ["a"], "label": ["b"]}), tmp_path / "T" / "x.parquet")
    line = refusal(capsys, tmp_path / "T", tmp_path / "W")
    assert "without sha256, prediction" in line


def test_columns_of_another_kind_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "T", draw_week(0, np.random.default_rng(0), films=2))
    rows = pq.read_table(path, partitioning=None)
    at = rows.schema.get_field_index("confidence")
    pq.write_table(rows.set_column(at, "confidence", pa.array(["much", "little"])), path)
    line = refusal(capsys, tmp_path / "T", tmp_path / "W")
    assert line.startswith("watch: Expected the column confidence as double.")


def test_a_table_of_delta_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "T" / "_delta_log").mkdir(parents=True)
    line = refusal(capsys, tmp_path / "T", tmp_path / "W")
    assert "Expected a table of Parquet files." in line


def test_its_own_input_is_not_replaced(
    capsys: pytest.CaptureFixture[str], quiet: Path, tmp_path: Path
) -> None:
    assert watch(quiet, quiet) == 2
    assert "Expected an --out" in capsys.readouterr().err


def test_clocks_that_jumped_are_said_and_their_rows_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_course(tmp_path / "T", 2)
    for at in (datetime(1970, 1, 2, tzinfo=UTC), datetime(2090, 1, 2, tzinfo=UTC), None):
        rows = [{**row, "scored_at": at} for row in draw_week(0, rng, films=5)]
        pq.write_table(pa.Table.from_pylist(rows, SCORES), tmp_path / "T" / f"{at}.parquet")
    watch(tmp_path / "T", tmp_path / "W")
    notes = left(tmp_path / "W", "watch.json")["notes"]
    said = [note.partition(",")[0] for note in notes[:3]]
    assert said == ["5 rows before the year 2000", "5 rows in the future", "5 rows without a time"]


def test_a_long_gap_casts_doubt_on_the_clock(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for week in (0, 30):
        write_rows(tmp_path / "T", draw_week(week, rng), f"week-{week}")
    watch(tmp_path / "T", tmp_path / "W")
    (note,) = left(tmp_path / "W", "watch.json")["models"][0]["notes"]
    assert note == "No film for 29 weeks from 2024-01-08: was the clock right before?"


def test_it_is_a_verb_that_needs_no_spark() -> None:
    assert get("watch").summary == JOB.summary
    assert not JOB.needs_spark


# A million rows


@pytest.mark.slow
def test_a_million_rows_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    rows = pa.Table.from_pylist(draw_week(0, np.random.default_rng(0), films=10_000), SCORES)
    peaks = []
    for number, copies in enumerate((5, 100)):
        table = tmp_path / f"T{number}"
        table.mkdir()
        for copy in range(copies):
            later = pa.array([START + timedelta(days=copy)] * len(rows), pa.timestamp("us", "UTC"))
            at = rows.schema.get_field_index("scored_at")
            part = rows.set_column(at, rows.schema.field(at), later)
            pq.write_table(part, table / f"{copy:03}.parquet")
        code = (
            "import resource, sys; from jobs.watch import JOB; code = JOB.exit_code(sys.argv[1:]);"
            "print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        argv = ["--table", str(table), "--out", str(tmp_path / f"W{number}"), "--reference", "2"]
        ended = subprocess.run(
            [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True
        )
        code_, peak = ended.stdout.splitlines()[-1].split()
        assert (code_, left(tmp_path / f"W{number}", "run.json")["rows"]) == ("0", copies * 10_000)
        peaks.append(int(peak))
    assert peaks[1] < peaks[0] + 60
