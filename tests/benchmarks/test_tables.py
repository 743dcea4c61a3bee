"""The figures of docs and README are those of the newest files in benchmarks/results."""

import json
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.bench import record

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "name": tables.HEADLINE,
    "images": 1200,
    "used": {"precision": "f32"},
    "contestants": {"product": {"median": 40.04}, "recipe": {"median": 10.01}},
    "ratios": {"recipe": 4.0},
    "limit": 50.0,
    "share_of_limit": 0.8,
    "core_milliseconds_of_a_film": {"all": 50.0, "engine": 40.0, "decoding": 1.0, "rest": 9.0},
}
RESULTS = {
    "date": "2026-01-31",
    "machine": {"processor": "Xeon", "cores": 2, "instructions": ["avx2"]},
    "versions": {"pyspark": "4.3.0", "openvino": "2026.4"},
    "rows": [ROW, {**ROW, "name": f"{tables.HEADLINE}, int8"}],
}


@pytest.mark.parametrize("page", tables.PAGES)
def test_pages_show_the_newest_results(page: str) -> None:
    text = (ROOT / page).read_text()
    assert tables.BLOCK.search(text), "no figures between marks"
    assert tables.rendered(text, tables.newest()) == text, "run python -m benchmarks.tables"


def test_a_table_has_rates_ratios_and_shares() -> None:
    drawn = tables.vectors([RESULTS])
    expected = f"| {tables.HEADLINE} | 1,200 | f32 | **40** | 10 (4.0 x) | 50 (0.80) |"
    assert expected in drawn.splitlines()
    assert "2026-01-31, 2 cores of Xeon (avx2)" in drawn


def test_each_machine_has_its_newest_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day, processor in (("01-01", "A"), ("01-02", "A"), ("01-03", "B")):
        machine = {**RESULTS["machine"], "processor": processor}
        text = json.dumps({**RESULTS, "date": day, "machine": machine})
        (tmp_path / f"{day}-{processor}.json").write_text(text)
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    found = [(each["date"], each["machine"]["processor"]) for each in tables.newest()]
    assert found == [("01-03", "B"), ("01-02", "A")]


def test_a_million_films_cost_their_core_hours() -> None:
    assert "| 13.9 | 0.69 |" in tables.cost([RESULTS])


def test_only_what_stands_between_marks_is_written() -> None:
    page = "Before.\n<!-- figures: headline -->\nold\n<!-- end of figures -->\nAfter.\n"
    again = tables.rendered(page, [RESULTS])
    assert again.startswith("Before.\n<!-- figures: headline -->\nSpeed: 40 films/s")
    assert again.endswith("<!-- end of figures -->\nAfter.\n")
    assert tables.rendered(again, [RESULTS]) == again


def test_a_row_of_the_same_name_is_replaced(tmp_path: Path) -> None:
    record.add({**ROW, "images": 1}, tmp_path)
    record.add({**ROW, "name": "another"}, tmp_path)
    path = record.add(ROW, tmp_path)
    kept = json.loads(path.read_text())
    assert [(row["name"], row["images"]) for row in kept["rows"]] == [
        (tables.HEADLINE, 1200),
        ("another", 1200),
    ]
    assert kept["machine"]["cores"] >= 1
    assert kept["versions"]["pyspark"]
