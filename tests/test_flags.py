import re
import shlex
from dataclasses import fields

import pytest

from spark_cxr.cli import get, names
from spark_cxr.config import (
    conf_dir,
    flagged_items,
    help_texts,
    help_words,
    make_parser,
    read_toml,
    resolve,
)
from spark_cxr.errors import ConfigError
from spark_cxr.settings import SECTIONS, Config

ALL_FLAGS = (
    "-h, --help, --help-all, --conf, --set, --out, --overwrite, --no-overwrite, --seed, "
    "--experimental, --no-experimental, --count, --size, "
    "--formats, --bad, --masks, --no-masks, --marker, "
    "--several-findings, --unknown, --hospital, --least-severity"
)


def refusal(*argv: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve("phantoms", "Draw", ["phantoms"], argv)
    return str(caught.value)


def phantoms(*argv: str) -> Config:
    return resolve("phantoms", "Draw", ["phantoms"], argv)


# What is understood


def test_flag_sets_its_field() -> None:
    assert phantoms("--count", "7").phantoms.count == 7


def test_flag_with_equals_sets_its_field() -> None:
    assert phantoms("--count=7").phantoms.count == 7


def test_underscores_of_a_field_are_dashes_on_the_command_line() -> None:
    assert resolve("j", "", ["ingest"], ["--max-bad", "0.5"]).ingest.max_bad == 0.5


def test_claim_is_made_by_its_bare_flag() -> None:
    assert phantoms("--masks").phantoms.masks is True


def test_claim_is_taken_back_by_no() -> None:
    assert phantoms("--set", "phantoms.masks=true", "--no-masks").phantoms.masks is False


def test_one_flag_takes_several_paths() -> None:
    cfg = resolve("j", "", ["ingest"], ["--images", "a", "b", "--labels", "none"])
    assert (cfg.ingest.images, cfg.ingest.labels) == (("a", "b"), "none")


def test_names_are_parted_by_commas() -> None:
    assert phantoms("--formats", "png,dicom").phantoms.formats == ("png", "dicom")


# What is refused, in full


def test_unknown_flag_is_refused_and_the_nearest_named() -> None:
    assert refusal("--contt", "3") == (
        "Expected flags of phantoms. Received: --contt 3. "
        "Did you mean --count? See phantoms --help."
    )


def test_unknown_flag_with_equals_is_refused_and_the_nearest_named() -> None:
    assert refusal("--sede=3") == (
        "Expected flags of phantoms. Received: --sede=3. Did you mean --seed? See phantoms --help."
    )


def test_flag_that_is_cut_short_is_refused_and_the_whole_named() -> None:
    assert refusal("--coun", "3") == (
        "Expected flags of phantoms. Received: --coun 3. Did you mean --count? See phantoms --help."
    )


def test_flag_of_another_job_is_refused() -> None:
    assert refusal("--test-fraction", "0.5") == (
        "Expected flags of phantoms. Received: --test-fraction 0.5. "
        f"Known are: {ALL_FLAGS}. See phantoms --help."
    )


def test_word_without_a_flag_is_refused_and_all_flags_named() -> None:
    assert refusal("films/") == (
        f"Expected flags of phantoms. Received: films/. Known are: {ALL_FLAGS}. "
        "See phantoms --help."
    )


def test_flag_without_its_value_is_refused() -> None:
    assert refusal("--count") == (
        "Expected flags of phantoms. Received: argument --count: expected one argument. "
        "See phantoms --help."
    )


def test_paths_without_a_path_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve("ingest", "", ["ingest"], ["--images"])
    assert str(caught.value) == (
        "Expected flags of ingest. Received: argument --images: expected at least one argument. "
        "See ingest --help."
    )


def test_claim_with_a_value_is_refused() -> None:
    assert refusal("--masks=1") == (
        "Expected flags of phantoms. Received: argument --masks/--no-masks: "
        "ignored explicit argument '1'. See phantoms --help."
    )


def test_value_of_a_flag_is_checked_like_any_other() -> None:
    assert refusal("--count", "few") == (
        "Expected phantoms.count as a whole number. Received: phantoms.count='few'. "
        "Write it like 3."
    )


# Every job


@pytest.mark.parametrize("verb", names())
def test_help_of_a_job_is_short_and_its_examples_are_good(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = get(verb)
    with pytest.raises(SystemExit) as ended:
        resolve(job.name, job.summary, job.sections, ["--help"])
    shown = capsys.readouterr().out
    starts = [
        line.strip() for line in shown.splitlines() if line.startswith(f"  spark-cxr {verb} ")
    ]
    assert (ended.value.code, len(starts)) == (0, 2 if job.sections else 1)
    for line in starts:
        resolve(job.name, job.summary, job.sections, shlex.split(line)[2:])
    assert len(shown.splitlines()) < 100
    words = help_words(job.name)["common"]
    listed = re.findall(r"^  (--[a-z-]+)", shown, re.MULTILINE)
    assert {name.replace("_", "-") for name in words} == {
        flag[2:] for flag in listed if flag != "--help-all"
    }


@pytest.mark.parametrize("verb", names())
def test_help_all_of_a_job_ends_well_and_shows_every_flag(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job = get(verb)
    with pytest.raises(SystemExit) as ended:
        resolve(job.name, job.summary, job.sections, ["--help-all"])
    shown = capsys.readouterr().out.split()
    wanted = [f"--{item.name.replace('_', '-')}" for _, item in flagged_items(job.sections)]
    assert (ended.value.code, [flag for flag in wanted if flag not in str(shown)]) == (0, [])


@pytest.mark.parametrize("section", SECTIONS)
def test_section_gives_a_flag_for_each_of_its_fields(section: str) -> None:
    values = read_toml(conf_dir() / "base.toml")
    sections = ["phantoms" if section in ("run", "stores") else section]  # every job has these
    given = vars(make_parser("j", "", sections, values, help_texts()).parse_args([]))
    assert {item.name for item in fields(SECTIONS[section])} <= set(given)


def test_help_shows_the_default_of_base_toml(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        phantoms("--help")
    shown = capsys.readouterr().out
    assert "[png,jpeg,dicom]" in shown
    assert "--marker side|class|none" in shown


def test_percent_sign_in_a_help_text_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        resolve("train", "", ["train"], ["--help-all"])
    assert "95 % interval" in " ".join(capsys.readouterr().out.split())
