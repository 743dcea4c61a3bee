"""The job explain and the pages with a model of findings: targets, heat, the contact sheet."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import spark_cxr
from jobs.explain import JOB
from spark_cxr import job
from spark_cxr.backbones.engines.plan import Plan
from spark_cxr.metrics.wording import percent
from spark_cxr.model.explanation import target_of
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.pictures import training_panels
from spark_cxr.schemas import EXPLANATIONS, TEST_FINDINGS, columns
from tests.model.findings_by_hand import FINDINGS, findings_model
from tests.quick import defaults

FILMS = 12


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    found = []
    for number, drawn in enumerate(phantoms(FILMS, seed=5, size=96, formats=("png",))):
        path = folder / f"film-{number:02d}.png"
        path.write_bytes(drawn.data)
        found.append(path)
    return found


@pytest.fixture(scope="module")
def model(paths, tmp_path_factory):
    """Give a model whose operating points half of the films are above."""
    folder = tmp_path_factory.mktemp("findings")
    found = spark_cxr.load_model(findings_model(folder / "first"))
    told = found.predict([path.read_bytes() for path in paths])
    shares = np.array([[each.probabilities[name] for name in FINDINGS] for each in told])
    points = dict(zip(FINDINGS, np.median(shares, axis=0).tolist(), strict=True))
    return findings_model(folder / "model", thresholds=points)


@pytest.fixture(scope="module")
def loaded(model):
    return spark_cxr.load_model(model)


@pytest.fixture(scope="module")
def table(spark, loaded, paths, tmp_path_factory):
    """Write what a training leaves of its test: of every other finding the contrary is true."""
    rows = []
    for number, path in enumerate(paths):
        (told,) = loaded.predict(path.read_bytes())
        truth = {}
        for place, name in enumerate(FINDINGS):
            has = told.probabilities[name] >= loaded.manifest.thresholds[name]
            if (place + number) % 3:
                truth[name] = has if (place + number) % 3 == 1 else not has
        named = (f"file:{path}", "0" * 64, told.label, told.confidence, dict(told.probabilities))
        rows.append((*named, "m", None, "x", None, f"g{number}", None, truth))
    place = tmp_path_factory.mktemp("test") / "predictions"
    spark.createDataFrame(rows, TEST_FINDINGS).write.parquet(str(place))
    return place


def explained(spark, out, model, **settings):
    cfg = defaults(run={"out": str(out)}, explain={"model": model, **settings})
    return job.run(JOB, spark, cfg)


@pytest.fixture(scope="module")
def run(spark, model, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("explained") / "E"
    return out, explained(spark, out, model, table=str(table), exact=True, longest=80, shown=FILMS)


def test_each_film_has_the_heat_of_its_leading_finding(run, loaded):
    out, said = run
    assert (said["explained"], said["method"]) == (FILMS, "cam")
    found = pq.read_table(out / "explanations")
    assert found.column_names == columns(EXPLANATIONS)
    targets = set()
    for row in found.to_pylist():
        film = Path(row["path"].removeprefix("file:")).read_bytes()
        (told,) = loaded.predict(film)
        expected = loaded.explain(film)
        assert row["target"] == target_of(told, loaded.manifest.thresholds) == expected.label
        assert row["contrast"] == f"no {row['target']}"
        assert row["prediction"] == told.label
        assert row["margin"] == pytest.approx(expected.margin, abs=1e-6)
        np.testing.assert_allclose(row["map"], expected.map.ravel(), atol=1e-4)
        assert row["overlay"].startswith(f"overlays/{row['target']}/")
        targets.add(row["target"])
    assert len(targets) > 1


def test_contact_sheet_holds_a_finding_against_its_absence(run, table, loaded):
    page = (run[0] / "contact_sheet.html").read_text()
    rows = {row["path"]: dict(row["findings"]) for row in pq.read_table(table).to_pylist()}
    found = pq.read_table(run[0] / "explanations").to_pylist()
    wrong, points = 0, loaded.manifest.thresholds
    for row in found:
        assert f"rather than no {row['target']}" in page
        target, share = row["target"], dict(row["probabilities"])[row["target"]]
        side = "below" if share < points[target] else "above"
        words = f"<b>{target} {percent(share)}</b>, {side} its operating point of"
        assert f"{words} {percent(points[target])}" in page
        known = rows[row["path"]].get(target)
        wrong += known is not None and known != (share >= points[target])
    assert wrong > 0
    assert "Wrong, most certain first" in page
    assert "blue is evidence against it" in page
    assert "other classes" not in page


def test_a_named_finding_is_explained_on_every_film(spark, model, paths, tmp_path):
    cfg = defaults(
        run={"out": str(tmp_path / "E")},
        ingest={"images": [str(paths[0].parent)], "labels": "none"},
        explain={"model": model, "label": "Hernia", "limit": 4, "pictures": False},
    )
    assert job.run(JOB, spark, cfg)["explained"] == 4
    rows = pq.read_table(tmp_path / "E" / "explanations").to_pylist()
    assert {(row["target"], row["contrast"]) for row in rows} == {("Hernia", "no Hernia")}


def test_films_of_a_test_are_drawn_under_their_leading_finding(spark, model, loaded, table):
    predictions = spark.read.schema(TEST_FINDINGS).parquet(str(table))
    plan: Plan = loaded.plan
    panels, how = training_panels(predictions, plan, Output(model), 2)
    assert how.startswith("cam, ")
    rows = pq.read_table(table).to_pylist()
    assert sum(each.films for each in panels) == sum(
        row["prediction"] != "No Finding" for row in rows
    )
    shown = [panel for each in panels for shelf in each.shelves for panel in shelf.panels]
    assert {panel.contrast for panel in shown} == {f"no {panel.label}" for panel in shown}
    for panel in shown:
        assert panel.contrast_probability == pytest.approx(1 - panel.probability)
        assert panel.image
