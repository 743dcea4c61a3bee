import numpy as np
import pytest
from pyspark.sql import functions as F

from spark_cxr.heads import catalog as heads
from spark_cxr.output import Output
from spark_cxr.pipeline import heads as one_label
from spark_cxr.pipeline.finding_counts import count_findings
from spark_cxr.pipeline.finding_heads import (
    ANSWERS,
    FindingFitter,
    finding_predictions,
    fit_findings,
    known_rows,
    prepare_findings,
)
from spark_cxr.pipeline.heads import HeadRecipe
from spark_cxr.schemas import TEST_FINDINGS, columns

NAMES = ("Effusion", "Hernia", "Nodule")
SIZE = 8
DDL = (
    "path string, sha256 string, label string, source string, group_id string, view string, "
    "features array<float>, findings map<string,boolean>"
)


@pytest.fixture(scope="module")
def vectors():
    """200 vectors whose first three numbers say the three findings, with noise."""
    draw = np.random.default_rng(1)
    found = draw.random((200, 3)) < (0.5, 0.2, 0.4)
    vectors = draw.standard_normal((200, SIZE)).astype(np.float32)
    vectors[:, :3] += 1.5 * found
    return vectors, found, draw.random((200, 3)) < 0.2


@pytest.fixture(scope="module")
def prepared(spark, vectors):
    rows = []
    for i, (vector, found, unknown) in enumerate(zip(*vectors, strict=True)):
        cells = zip(NAMES, found.tolist(), unknown.tolist(), strict=True)
        known = {name: has_it for name, has_it, hidden in cells if not hidden}
        row = (f"f{i:03}", f"s{i:03}", "x", "x", f"p{i}", None, vector.tolist(), known)
        rows.append(row)
    return prepare_findings(spark.createDataFrame(rows, DDL)).coalesce(1).persist()


def fitted(name, prepared, **options):
    counts = count_findings(prepared)
    recipe = options.pop("recipe", HeadRecipe())
    return fit_findings(heads.get(name), prepared, counts, recipe, SIZE, 2, **options)


@pytest.fixture(scope="module")
def scored(prepared):
    return fitted("lr", prepared).model.transform(prepared).persist()


def answers_of(scored):
    return np.array([row[ANSWERS] for row in scored.orderBy("path").collect()])


def test_each_head_is_the_one_that_its_known_films_alone_would_give(prepared, scored):
    for place, name in enumerate(NAMES):
        alone = one_label.fit(heads.get("lr"), known_rows(prepared, name)).transform(prepared)
        expected = [row["probability"][1] for row in alone.orderBy("path").collect()]
        np.testing.assert_array_equal(answers_of(scored)[:, place], expected)


def test_head_sees_only_films_whose_answer_is_known(prepared, vectors):
    _, found, unknown = vectors
    for place, name in enumerate(NAMES):
        rows = known_rows(prepared, name)
        assert rows.count() == (~unknown[:, place]).sum()
        assert rows.agg(F.sum("label_index")).first()[0] == (found & ~unknown)[:, place].sum()


@pytest.mark.parametrize(
    "name",
    ["lr", "dt", "rf", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gbt", "svc", "mlp"))],
)
def test_portable_heads_answer_as_mllib_does(prepared, vectors, tmp_path, name):
    model = fitted(name, prepared).model
    portable = model.keep(Output(str(tmp_path)))
    portable.check(SIZE, len(NAMES))
    expected = answers_of(model.transform(prepared))
    got = portable.probabilities(vectors[0].astype(np.float64))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_weighed_films_raise_the_answers_of_a_rare_finding(prepared, scored):
    weighed = fitted("lr", prepared, recipe=HeadRecipe(balance=True)).model.transform(prepared)
    assert (answers_of(weighed)[:, 1] > answers_of(scored)[:, 1]).mean() > 0.95


@pytest.mark.slow
def test_tuning_finds_a_setting_for_each_finding(prepared):
    folded = prepared.withColumn("fold", F.pmod(F.xxhash64("sha256"), F.lit(2)).cast("int"))
    found = fitted("dt", folded, folds=2)
    assert tuple(found.tuned) == NAMES
    assert all(tuned.best in heads.get("dt").grid for tuned in found.tuned.values())


@pytest.mark.slow
def test_a_head_keeps_what_tuning_has_found_for_each_finding(prepared):
    folded = prepared.withColumn("fold", F.pmod(F.xxhash64("sha256"), F.lit(2)).cast("int"))
    counts = count_findings(folded)
    fitter = FindingFitter(heads.get("dt"), HeadRecipe(), 2, folds=2)
    found = fitter.fitted(folded, counts, SIZE)
    assert {name.partition(":")[0] for name, _ in found.setting} == set(NAMES)
    again = fitter.settled(found).fitted(folded, counts, SIZE)
    assert not again.tuned
    expected = answers_of(found.model.transform(folded))
    np.testing.assert_array_equal(answers_of(again.model.transform(folded)), expected)


def test_predictions_name_the_findings_at_or_above_their_operating_points(scored):
    points = dict(zip(NAMES, (0.5, 0.2, 0.4), strict=True))
    rows = finding_predictions(scored, points, "lr-x").collect()
    assert list(rows[0].asDict()) == columns(TEST_FINDINGS)
    for row in rows:
        shares = row["probabilities"]
        assert tuple(shares) == NAMES
        named = [name for name in NAMES if shares[name] >= points[name]]
        assert row["prediction"] == ("|".join(named) or "No Finding")
        assert row["confidence"] == max(shares.values())
    assert {"No Finding", "Effusion|Hernia|Nodule"} <= {row["prediction"] for row in rows}
