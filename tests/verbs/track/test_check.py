"""What is refused before the work begins."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from spark_cxr.config import defaults, resolve
from spark_cxr.errors import ConfigError, SetupError
from spark_cxr.verbs.track import check_tracking

SECTIONS = ("track", "registry")


def settings(*words):
    return resolve("train_lr", "", SECTIONS, words)


def refusal(kind, *words):
    with pytest.raises(kind) as caught:
        check_tracking(settings(*words))
    return str(caught.value)


def test_mlflow_without_a_value_means_the_session():
    assert settings("--mlflow", "--experiment", "x").track.mlflow == "session"


def test_mlflow_with_a_value_means_that_store():
    assert settings("--mlflow", "sqlite:///a.db").track.mlflow == "sqlite:///a.db"


def test_without_mlflow_it_is_not_even_imported():
    code = (
        "import sys\n"
        "from spark_cxr.config import defaults\n"
        "from spark_cxr.verbs.track import check_tracking\n"
        "check_tracking(defaults())\n"
        "print('mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_store_that_answers_is_fine_and_has_the_experiment(store, client):
    check_tracking(settings("--mlflow", store, "--experiment", "checked"))
    assert client.get_experiment_by_name("checked").lifecycle_stage == "active"


def test_experiment_of_a_named_store_has_a_name_by_default(store, client):
    check_tracking(settings("--mlflow", store))
    assert client.get_experiment_by_name("spark_cxr") is not None


def test_folder_of_a_new_database_is_made(tmp_path, monkeypatch, store):
    database = Path(store.removeprefix("sqlite:///"))
    target = tmp_path / "new" / "folder" / "mlflow.db"
    check_tracking(settings("--mlflow", f"sqlite:///{target}"))
    assert (target.is_file(), target.parent != database.parent) == (True, True)


def test_alias_without_a_name_is_refused():
    assert refusal(ConfigError, "--mlflow", "sqlite:///a.db", "--alias", "best") == (
        "Expected a name to register the model under. Received: --alias=best. Add --register NAME."
    )


def test_name_without_a_store_is_refused():
    assert refusal(ConfigError, "--register", "cxr") == (
        "Expected an MLflow store to register in. Received: --register=cxr. Add --mlflow."
    )


def test_a_password_is_refused_and_not_repeated():
    told = refusal(ConfigError, "--mlflow", "postgresql://me:geheim@127.0.0.1/films")
    assert "an --mlflow without a password" in told
    assert "MLFLOW_TRACKING_URI" in told
    assert "geheim" not in told


def test_a_store_that_does_not_answer_is_refused_before_the_work():
    told = refusal(SetupError, "--mlflow", "http://127.0.0.1:9")
    assert told.startswith("Expected an MLflow store that answers. Received: http://127.0.0.1:9 (")
    assert told.endswith("or leave --mlflow out.")


def test_an_address_of_no_kind_that_mlflow_knows_is_refused():
    assert "an MLflow store that answers" in refusal(SetupError, "--mlflow", "gopher://films")


def test_password_of_the_environment_is_not_repeated(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:geheim@127.0.0.1:9")
    assert "geheim" not in refusal(SetupError, "--mlflow", "session", "--experiment", "x")


def test_a_deleted_experiment_is_refused(store, client):
    client.delete_experiment(client.create_experiment("gone"))
    assert refusal(ConfigError, "--mlflow", store, "--experiment", "gone") == (
        "Expected an experiment that was not deleted. Received: --experiment=gone. "
        "Restore it, or name another with --experiment."
    )


def test_a_missing_mlflow_names_the_way_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    told = refusal(SetupError, "--mlflow", "sqlite:///a.db")
    assert told.startswith("Expected MLflow. Received: ")
    assert told.endswith("pip install 'spark-cxr[tracking]'.")


def test_patience_of_the_process_is_as_before(store):
    before = dict(os.environ)
    check_tracking(settings("--mlflow", store))
    left = {name: value for name, value in os.environ.items() if before.get(name) != value}
    assert set(left) <= {"MLFLOW_DISABLE_TELEMETRY"}


def test_mlflow_is_told_to_send_nothing_to_its_makers():
    code = (
        "import os\n"
        "from spark_cxr.verbs.track.store import import_mlflow\n"
        "import_mlflow()\n"
        "print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "true\n"


def test_settings_stand_in_the_defaults_as_off():
    cfg = defaults()
    assert (cfg.track.mlflow, cfg.track.experiment) == ("", "")
    assert (cfg.registry.register, cfg.registry.alias) == ("", "")


def test_store_is_reached_by_the_name_of_the_process_after_the_check(store):
    before = mlflow.get_tracking_uri()
    check_tracking(settings("--mlflow", store))
    assert mlflow.get_tracking_uri() == before
