import shlex
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from spark_cxr import config
from spark_cxr.config import build, command_line, conf_dir, defaults, help_texts, read_toml, resolve
from spark_cxr.errors import ConfigError
from spark_cxr.settings import SECTIONS, Config
from tests.archived import told_from_archive

PACKAGE = Path(config.__file__).parent
KEYS = [(name, item.name) for name, section in SECTIONS.items() for item in fields(section)]


def settings(*argv: str) -> Config:
    return resolve("phantoms", "Draw", ["phantoms"], argv)


def refusal(*argv: str) -> str:
    with pytest.raises(ConfigError) as caught:
        settings(*argv)
    return str(caught.value)


def toml(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


# Where the settings are


def test_a_wheel_that_was_sent_as_an_archive_has_its_settings(tmp_path: Path) -> None:
    files = {f"spark_cxr/{path.name}": path for path in PACKAGE.glob("*.py")}
    files |= {f"spark_cxr/conf/{path.name}": path for path in conf_dir().glob("*.toml")}
    code = (
        "import spark_cxr.config as c; "
        "print(c.__file__, c.conf_dir() == c.conf_dir(), c.defaults().phantoms.count)"
    )
    expected = f"ARCHIVE/spark_cxr/config.py True {defaults().phantoms.count}\n"
    assert told_from_archive(tmp_path, files, code) == expected


# base.toml


def test_base_toml_has_the_keys_of_the_records_and_no_others() -> None:
    text = (conf_dir() / "base.toml").read_text(encoding="utf-8")
    written = [(name, key) for name, keys in tomllib.loads(text).items() for key in keys]
    assert written == KEYS


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_key_of_base_toml_has_a_comment_that_ends_like_a_sentence(section: str, key: str) -> None:
    assert help_texts()[section, key].endswith(".")


def test_help_text_is_the_comment_right_above_its_key() -> None:
    assert help_texts()["ingest", "max_bytes"] == "Largest file that is read, in bytes."


def test_defaults_are_what_base_toml_says() -> None:
    text = (conf_dir() / "base.toml").read_text(encoding="utf-8")
    written = tomllib.loads(text)["phantoms"]
    drawn = defaults().phantoms
    assert {key: written[key] for key in ("count", "size", "bad", "masks", "marker")} == {
        "count": drawn.count,
        "size": drawn.size,
        "bad": drawn.bad,
        "masks": drawn.masks,
        "marker": drawn.marker,
    }


def test_a_key_without_a_default_is_noticed() -> None:
    values = read_toml(conf_dir() / "base.toml")
    del values["run"]["seed"]
    with pytest.raises(KeyError, match="seed"):
        build(values)


# Precedence


def test_no_flags_give_base_toml() -> None:
    assert settings() == defaults()


def test_conf_goes_over_base(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\ncount = 11\n")
    assert settings("--conf", mine).phantoms.count == 11


def test_conf_leaves_what_it_does_not_name(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\ncount = 11\n")
    assert settings("--conf", mine).phantoms.size == defaults().phantoms.size


def test_set_goes_over_conf(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\ncount = 11\n")
    assert settings("--set", "phantoms.count=12", "--conf", mine).phantoms.count == 12


def test_flag_goes_over_set(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\ncount = 11\n")
    argv = ("--count", "13", "--set", "phantoms.count=12", "--conf", mine)
    assert settings(*argv).phantoms.count == 13


def test_the_later_set_goes_over_the_earlier() -> None:
    argv = ("--set", "phantoms.count=12", "--set", "phantoms.count=14")
    assert settings(*argv).phantoms.count == 14


def test_flag_that_says_the_default_goes_over_conf(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\nmasks = true\n")
    assert settings("--no-masks", "--conf", mine).phantoms.masks is False


def test_conf_may_hold_sections_that_the_job_has_no_flags_for(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[train]\nresamples = 200\n")
    assert settings("--conf", mine).train.resamples == 200


def test_set_keeps_an_equals_sign_of_the_value() -> None:
    assert settings("--set", "run.out=s3a://b/day=1").run.out == "s3a://b/day=1"


def test_set_allows_spaces_around_key_and_value() -> None:
    assert settings("--set", " phantoms.count = 5 ").phantoms.count == 5


def test_defaults_take_changes_for_the_sections_named() -> None:
    assert defaults(run={"seed": 5}, train={"resamples": 100}).run.seed == 5


# --conf that is wrong


def test_conf_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert refusal("--conf", str(path)) == (
        f"Expected a settings file. Received: {path} (No such file or directory). Check --conf."
    )


def test_conf_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert refusal("--conf", str(tmp_path)) == (
        f"Expected a settings file. Received: {tmp_path} (Is a directory). Check --conf."
    )


def test_conf_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms\n")
    message = refusal("--conf", mine)
    assert message.startswith(f"Expected TOML text. Received: {mine} (")
    assert message.endswith("). See conf/base.toml.")


def test_conf_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "film.toml"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    message = refusal("--conf", str(path))
    assert message.startswith(f"Expected TOML text. Received: {path} (")
    assert message.endswith("). See conf/base.toml.")


def test_unknown_section_in_conf_is_refused_and_the_nearest_named(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantom]\ncount = 1\n")
    assert refusal("--conf", mine) == (
        f"Expected a section of conf/base.toml in {mine}. Received: [phantom]. "
        "Did you mean phantoms?"
    )


def test_unknown_key_in_conf_is_refused_and_the_nearest_named(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\ncuont = 1\n")
    assert refusal("--conf", mine) == (
        f"Expected a key of conf/base.toml in {mine}. Received: phantoms.cuont. "
        "Did you mean phantoms.count?"
    )


def test_key_without_a_section_in_conf_is_refused(tmp_path: Path) -> None:
    mine = toml(tmp_path, "count = 1\n")
    assert refusal("--conf", mine) == (
        f"Expected a section of conf/base.toml in {mine}. Received: [count]. "
        f"Known are: {', '.join(SECTIONS)}."
    )


def test_section_that_is_written_as_a_value_is_refused(tmp_path: Path) -> None:
    mine = toml(tmp_path, "phantoms = 1\n")
    assert refusal("--conf", mine) == (
        f"Expected [phantoms] of {mine} as a section. Received: phantoms=1. "
        "Put its keys below [phantoms]."
    )


def test_value_of_the_wrong_type_in_conf_is_refused(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[phantoms]\ncount = 2.5\n")
    assert refusal("--conf", mine) == (
        "Expected phantoms.count as a whole number. Received: phantoms.count=2.5. Write it like 3."
    )


def test_a_section_of_another_job_is_checked_too(tmp_path: Path) -> None:
    mine = toml(tmp_path, "[train]\nresamples = 3\n")
    assert refusal("--conf", mine) == (
        "Expected train.resamples at least 100. Received: train.resamples=3. "
        "Choose a value in range."
    )


# --set that is wrong


@pytest.mark.parametrize("assignment", ["phantoms.count", "count=3", "=3", "", "phantoms=1"])
def test_set_of_another_form_is_refused(assignment: str) -> None:
    assert refusal("--set", assignment) == (
        f"Expected --set section.key=value. Received: --set {assignment}. See conf/base.toml."
    )


def test_unknown_section_in_set_is_refused_and_the_nearest_named() -> None:
    assert refusal("--set", "fantoms.count=3") == (
        "Expected a section of conf/base.toml in --set. Received: [fantoms]. Did you mean phantoms?"
    )


def test_unknown_key_in_set_is_refused_and_the_nearest_named() -> None:
    assert refusal("--set", "train.test-fraction=0.5") == (
        "Expected a key of conf/base.toml in --set. Received: train.test-fraction. "
        "Did you mean train.test_fraction?"
    )


def test_value_of_the_wrong_type_in_set_is_refused() -> None:
    assert refusal("--set", "run.overwrite=yes") == (
        "Expected run.overwrite as true or false. Received: run.overwrite='yes'. "
        "Write true or false."
    )


def test_unknown_key_in_defaults_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        defaults(run={"sede": 1})
    assert str(caught.value) == (
        "Expected a key of conf/base.toml in defaults(). Received: run.sede. Did you mean run.seed?"
    )


def test_the_command_line_of_settings_gives_them_again() -> None:
    words = ["--images", "a b", "c", "--formats", "png,dicom", "--masks", "--max-bad", "0.5"]
    sections = ("phantoms", "ingest")
    cfg = resolve("x", "", sections, [*words, "--out", "R", "--seed", "7"])
    again = shlex.split(command_line(cfg, sections))
    assert "R" not in again
    assert resolve("x", "", sections, [*again, "--out", "R"]) == cfg
