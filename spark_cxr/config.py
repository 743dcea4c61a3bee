"""Where settings come from: conf/base.toml, then --conf FILE, then --set key=value, then flags."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from spark_cxr.errors import ConfigError
from spark_cxr.flags import flagged_items, make_parser
from spark_cxr.packaged import PACKAGE, folder_of
from spark_cxr.settings import SECTIONS, Config, nearest
from spark_cxr.values import checked

Values = dict[str, dict[str, Any]]


def conf_dir() -> Path:
    """Find the folder conf/: inside the installed package, or beside it in a checkout."""
    installed = folder_of("conf")
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


def resolve(job: str, summary: str, sections: Sequence[str], argv: Sequence[str]) -> Config:
    """Read the settings of a job from its command line and the files that it names."""
    values = read_toml(conf_dir() / "base.toml")
    parser = make_parser(job, summary, sections, values, help_texts())
    given = vars(parser.parse_args(argv))
    if given["conf"]:
        _merge(values, read_toml(Path(given["conf"])), given["conf"])
    for assignment in given["set"]:
        _merge(values, _assigned(assignment), "--set")
    for section, item in flagged_items(sections):
        if (raw := given[item.name]) is not None:
            values[section][item.name] = raw
    return build(values)


def build(values: Mapping[str, Mapping[str, Any]]) -> Config:
    """Turn nested plain values, complete, into a checked `Config`."""
    built = {}
    for name, section in SECTIONS.items():
        converted = {f.name: checked(name, f, values[name][f.name]) for f in fields(section)}
        built[name] = section(**converted)
    return Config(**built)


def defaults(**changes: Mapping[str, Any]) -> Config:
    """Give the settings of conf/base.toml with `changes`, a mapping for each section named."""
    values = read_toml(conf_dir() / "base.toml")
    _merge(values, changes, "defaults()")
    return build(values)


def command_line(cfg: Config, sections: Sequence[str]) -> str:
    """Write the flags that give these settings again, but for where the output goes."""
    plain, words = defaults(), list[str]()
    for section, item in flagged_items(sections):
        value = getattr(getattr(cfg, section), item.name)
        unchanged = value == getattr(getattr(plain, section), item.name)
        if unchanged or item.name in ("out", "overwrite"):
            continue
        words += _flag_words(item.name.replace("_", "-"), str(item.type), value)
    return shlex.join(words)


def _flag_words(name: str, kind: str, value: Any) -> list[str]:
    if kind == "bool":
        return [f"--{name}" if value else f"--no-{name}"]
    if kind == "Paths":
        return [f"--{name}", *value]
    return [f"--{name}", ",".join(value) if kind == "Names" else str(value)]


def help_texts() -> dict[tuple[str, str], str]:
    """Read the comment above each key of conf/base.toml."""
    texts, section, comment = {}, "", list[str]()
    for line in (conf_dir() / "base.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
            continue
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            texts[section, line.split("=")[0].strip()] = " ".join(comment)
        comment = []
    return texts


def read_toml(path: Path, what: str = "a settings file", flag: str = "--conf") -> Values:
    """Read a TOML file, or say which one could not be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(what, f"{path} ({error.strerror})", f"Check {flag}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("TOML text", f"{path} ({error})", "See conf/base.toml") from None


def _assigned(assignment: str) -> Values:
    key, equals, value = assignment.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot):
        raise ConfigError("--set section.key=value", f"--set {assignment}", "See conf/base.toml")
    return {section: {name: value.strip()}}


def _merge(values: Values, changes: Mapping[str, Mapping[str, Any]], where: str) -> None:
    for section, keys in changes.items():
        if section not in values:
            way_out = nearest(section, list(values))
            raise ConfigError(f"a section of conf/base.toml in {where}", f"[{section}]", way_out)
        if not isinstance(keys, Mapping):
            expected, received = f"[{section}] of {where} as a section", f"{section}={keys!r}"
            raise ConfigError(expected, received, f"Put its keys below [{section}]")
        for key, value in keys.items():
            if key not in values[section]:
                known = [f"{section}.{name}" for name in values[section]]
                way_out = nearest(f"{section}.{key}", known)
                raise ConfigError(
                    f"a key of conf/base.toml in {where}", f"{section}.{key}", way_out
                )
            values[section][key] = value
