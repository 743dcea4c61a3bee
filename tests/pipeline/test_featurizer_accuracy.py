"""A user's own network with real weights, on real films: the accuracies that are known of it."""

import pytest
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.sql import functions as F

from spark_cxr.pipeline.featurizer import FilmFeaturizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

FOLDS = 5
WITHIN = 0.01
"""Of the published accuracy."""


@pytest.fixture(scope="module")
def features(spark, shared_data, tmp_path_factory):
    """Featurize all films of the manifest, labels as numbers."""
    network = shared_data.parent / "weights" / "squeezenet11_imagenet.keras"
    if not network.is_file():
        pytest.skip(f"no network at {network}")
    folders = [str(shared_data / name) for name in ("radiography", "ozturk")]
    options = {"recursiveFileLookup": "true", "pathGlobFilter": "*.jpg"}
    files = spark.read.format("binaryFile").options(**options).load(folders)
    stage = FilmFeaturizer(modelName=str(network), normalising="caffe", handleInvalid="skip")
    made = stage.transform(files).withColumn(
        "path", F.regexp_extract("path", "[^/]+/[^/]+/[^/]+$", 0)
    )
    out = str(tmp_path_factory.mktemp("features") / "rows")
    made.select("path", "features").write.parquet(out)
    manifest = spark.read.csv(str(shared_data / "manifest.csv"), header=True)
    rows = spark.read.parquet(out).join(F.broadcast(manifest), on="path", how="inner")
    return rows.withColumn("set", F.substring_index("path", "/", 1))


def of_set(features, name):
    rows = features.where(F.col("set") == name)
    labels = sorted(row.label for row in rows.select("label").distinct().collect())
    index = F.array_position(F.array(*map(F.lit, labels)), F.col("label")) - 1
    return rows.withColumn("y", index.cast("double"))


def accuracy(train, test, shrinkage):
    """Fit MLlib's logistic regression and say which share of the test films it gets right."""
    head = LogisticRegression(labelCol="y", maxIter=200, regParam=shrinkage)
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy", labelCol="y")
    return evaluator.evaluate(head.fit(train).transform(test))


def test_radiography_reaches_the_accuracy_known_of_its_split(features):
    rows = of_set(features, "radiography").cache()
    assert rows.count() == 9623
    reached = accuracy(rows.where("split = 'train'"), rows.where("split = 'val'"), 0.01)
    print(f"radiography, train to val: {reached:.4f}")
    assert reached >= 0.919 - WITHIN


@pytest.mark.parametrize(("by", "known"), [("path", 0.824), ("coalesce(patient_id, path)", 0.813)])
def test_ozturk_reaches_the_accuracy_known_of_five_folds(features, by, known):
    rows = of_set(features, "ozturk").withColumn("fold", F.expr(f"pmod(xxhash64({by}), {FOLDS})"))
    rows = rows.cache()
    sizes = {row.fold: row["count"] for row in rows.groupBy("fold").count().collect()}
    assert sum(sizes.values()) == 1124
    right = 0.0
    for fold, size in sizes.items():
        train, test = rows.where(F.col("fold") != fold), rows.where(F.col("fold") == fold)
        # Fewer than two films a feature: more shrinkage than above.
        right += size * accuracy(train, test, 0.3)
    print(f"ozturk, {FOLDS} folds by {by}: {right / 1124:.4f}")
    assert right / 1124 >= known - WITHIN
