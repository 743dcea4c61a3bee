"""The door to xgboost.spark: behind it a stand-in, and XGBoost itself where it is installed."""

import sys
from importlib.util import find_spec
from types import ModuleType

import pytest

from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.sparkdl import xgboost

HERE = find_spec("xgboost") is not None


@pytest.fixture
def played(monkeypatch):
    """Put a module in the place of xgboost.spark whose estimator keeps what it is given."""

    class Estimator:
        def __init__(self, **params):
            self.params = {}
            self.setParams(**params)

        def setParams(self, **params):
            self.params.update(params)
            return self

    module = ModuleType("xgboost.spark")
    module.SparkXGBClassifier = module.SparkXGBRegressor = Estimator
    module.SparkXGBClassifierModel = module.SparkXGBRegressorModel = dict
    monkeypatch.setitem(sys.modules, "xgboost", ModuleType("xgboost"))
    monkeypatch.setitem(sys.modules, "xgboost.spark", module)
    xgboost._estimator.cache_clear()
    yield module
    xgboost._estimator.cache_clear()


@pytest.mark.parametrize("name", ["XgboostClassifier", "XgboostRegressor"])
def test_estimators_take_the_old_spelling_and_todays(played, name):
    made = getattr(xgboost, name)(featuresCol="f", label_col="l", missing=0.0, num_workers=2)
    assert isinstance(made, played.SparkXGBClassifier)
    assert type(made).__name__ == name
    assert made.params == {"features_col": "f", "label_col": "l", "missing": 0.0, "num_workers": 2}
    assert made.setParams(baseMarginCol="b").params["base_margin_col"] == "b"
    assert getattr(xgboost, name) is getattr(xgboost, name)


def test_models_are_those_of_xgboost_spark(played):
    assert xgboost.XgboostClassifierModel is played.SparkXGBClassifierModel
    assert xgboost.XgboostRegressorModel is played.SparkXGBRegressorModel


def test_gpus_are_asked_for_in_todays_words():
    assert xgboost.today({"use_gpu": True}) == {"device": "cuda"}
    assert xgboost.today({"use_gpu": False, "max_depth": 3}) == {"max_depth": 3}


def test_storage_outside_memory_is_refused_where_it_is_wanted():
    given = {"use_external_storage": False, "external_storage_precision": 5, "n_estimators": 3}
    assert xgboost.today(given) == {"n_estimators": 3}
    with pytest.raises(ConfigError, match="raise num_workers"):
        xgboost.today({"use_external_storage": True})


def test_without_xgboost_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    monkeypatch.delitem(sys.modules, "xgboost.spark", raising=False)
    xgboost._estimator.cache_clear()
    with pytest.raises(SetupError, match="pip install xgboost"):
        xgboost.XgboostClassifier  # noqa: B018
    with pytest.raises(SetupError, match="pip install xgboost"):
        from spark_cxr.sparkdl.xgboost import XgboostRegressorModel  # noqa: F401


def test_other_names_are_not_there():
    assert not hasattr(xgboost, "XgboostRanker")


@pytest.mark.slow
@pytest.mark.skipif(not HERE, reason="XGBoost is not installed")
@pytest.mark.filterwarnings("ignore")
def test_a_classifier_of_xgboost_learns_in_a_pipeline_and_is_saved(spark, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.linalg import Vectors

    rows = [(Vectors.dense(float(n % 2), float(n)), float(n % 2)) for n in range(40)]
    table = spark.createDataFrame(rows, ["vector", "class"])
    stage = xgboost.XgboostClassifier(
        featuresCol="vector", labelCol="class", n_estimators=5, max_depth=2, missing=-1.0
    )
    model = Pipeline(stages=[stage]).fit(table)
    right = model.transform(table).where("prediction = class").count()
    assert right == 40
    assert isinstance(model.stages[0], xgboost.XgboostClassifierModel)
    assert model.stages[0].get_booster().num_boosted_rounds() == 5
    model.save(str(tmp_path / "model"))
    again = PipelineModel.load(str(tmp_path / "model"))
    assert again.transform(table).where("prediction = class").count() == 40
    Pipeline(stages=[stage]).save(str(tmp_path / "before"))
    before = Pipeline.load(str(tmp_path / "before")).getStages()[0]
    assert isinstance(before, xgboost.XgboostClassifier)
    assert before.getOrDefault("max_depth") == 2
