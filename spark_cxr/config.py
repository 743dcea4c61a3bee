"""Where settings come from: conf/base.toml, then --conf FILE, then --set key=value, then flags.

A job has one flag for each field of its sections; a value is read as its field wants it, within its
limits. conf/ lies in the installed package, also when that is a zip, or beside it in a checkout.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields
from fnmatch import fnmatch
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from spark_cxr.errors import ConfigError, SetupError, nearest, without_password
from spark_cxr.settings import SECTIONS, WITHOUT_OUT, Config

Values = dict[str, dict[str, Any]]
PACKAGE = Path(__file__).parent


def folder_of(part: str) -> Path:
    """Give a folder of the package, like `conf` or `backbones/embedded`, as one on this disk."""
    if PACKAGE.parent.is_file():  # the wheel itself, that --py-files has sent
        return Path(_unpacked(PACKAGE.parent, part).name) / PACKAGE.name / part
    return PACKAGE / part


@cache
def _unpacked(archive: Path, part: str) -> TemporaryDirectory[str]:
    """Unpack a folder of an archive once; the copy goes when the process ends."""
    folder = TemporaryDirectory(prefix="spark_cxr-")
    inside = f"{PACKAGE.name}/{part}/"
    with zipfile.ZipFile(archive) as files:
        files.extractall(folder.name, [n for n in files.namelist() if n.startswith(inside)])
    return folder


def conf_dir() -> Path:
    """Find the folder conf/: inside the installed package, or beside it in a checkout."""
    installed = folder_of("conf")
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


def find_benchmarks() -> None:
    """Make benchmarks/, which lies beside the package in a checkout, importable.

    Raises:
        SetupError: spark_cxr was installed without its checkout.
    """
    root = PACKAGE.parent
    if not (root / "benchmarks" / "bench").is_dir():
        way_out = "Clone the repository and run this there"
        received = f"a package without benchmarks/ in {root}"
        raise SetupError("a checkout of spark_cxr", received, way_out)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))


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
    return shlex.join(without_password(words))


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


def help_words(job: str, every: Sequence[str] = ()) -> dict[str, Any]:
    """Give the flags that `--help` shows of a job, by default all, and its examples."""
    texts = read_toml(conf_dir() / "help.toml")
    words = texts.get(job, {"common": every, "examples": []})
    return texts[words["like"]] if "like" in words else words


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


# One flag for each field


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one ConfigError instead of a usage text and exit."""

    def error(self, message: str) -> NoReturn:
        """Name the nearest good flag where one is unknown."""
        flags = [flag for action in self._actions for flag in action.option_strings]
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown == message:
            raise ConfigError(f"flags of {self.prog}", message, f"See {self.prog} --help")
        way_out = nearest(unknown.split()[0].split("=")[0], flags)
        stop = "" if way_out.endswith("?") else "."
        way_out = f"{way_out}{stop} See {self.prog} --help"
        raise ConfigError(f"flags of {self.prog}", unknown, way_out)


class _Help(argparse.Action):
    """`--help` shows what most people need, and examples; `--help-all` shows every flag."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print it and end."""
        words = help_words(parser.prog, [action.dest for action in parser._actions])
        shown, rest = {"help", "help_all", *words["common"]}, ""
        if self.dest == "help":
            hidden = [action for action in parser._actions if action.dest not in shown]
            for action in hidden:
                action.help = argparse.SUPPRESS
            rest = f"--help-all shows {len(hidden)} more flags.\n" if hidden else rest
        verb = parser.prog.replace("_", "-")
        examples = "".join(f"  spark-cxr {verb} {example}\n" for example in words["examples"])
        parser.epilog = f"Examples:\n{examples}{rest}" if examples else ""
        parser.print_help()
        parser.exit()


def make_parser(
    job: str,
    summary: str,
    sections: Sequence[str],
    values: Mapping[str, Mapping[str, Any]],
    texts: Mapping[tuple[str, str], str],
) -> argparse.ArgumentParser:
    """Make the parser of a job that uses `sections`, with defaults and texts of conf/base.toml."""
    parser = _Parser(
        prog=job,
        usage=f"spark-cxr {job.replace('_', '-')} [flags]",
        description=summary,
        allow_abbrev=False,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    told = parser.add_argument_group("Help and settings")
    told.add_argument("-h", "--help", action=_Help, nargs=0, help="show what most people need")
    told.add_argument("--help-all", action=_Help, nargs=0, help="show every flag")
    told.add_argument("--conf", metavar="FILE.toml", help="settings to put over the defaults")
    told.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="one setting: section.key=x"
    )
    for section, items in groupby(flagged_items(sections), key=itemgetter(0)):
        group = parser.add_argument_group(_title(section))
        for _, item in items:
            text = f"{texts[section, item.name]} [{_shown(values[section][item.name])}]"
            group.add_argument(
                f"--{item.name.replace('_', '-')}", help=text.replace("%", "%%"), **_flag(item)
            )
    return parser


def _title(section: str) -> str:
    """Say what the flags of a section are about, as its record does."""
    words = str(SECTIONS[section].__doc__).partition(": ")[2].partition(".")[0]
    return words[:1].upper() + words[1:]


def _flag(item: Field[Any]) -> dict[str, Any]:
    if item.type == "bool":
        return {"action": argparse.BooleanOptionalAction, "default": None}
    metavar = {"Paths": "PATH", "Names": "A,B", "int": "N", "float": "X"}.get(
        str(item.type), "WORD"
    )
    if item.type == "str" and (
        known := [word for word in item.metadata.get("choices", ()) if word]
    ):
        metavar = "|".join((*known, *item.metadata.get("others", ())))
    if "bare" in item.metadata:
        return {"metavar": metavar, "nargs": "?", "const": item.metadata["bare"]}
    return {"metavar": metavar} | ({"nargs": "+"} if item.type == "Paths" else {})


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def flagged_items(sections: Sequence[str]) -> Iterator[tuple[str, Field[Any]]]:
    """Give the fields that a job with these sections has flags for, with their section."""
    is_job = sections and not set(sections) & WITHOUT_OUT
    names = ("run", "stores", *sections) if is_job else sections
    return ((name, item) for name in names for item in fields(SECTIONS[name]))


# One value, as its field wants it


def checked(section: str, item: Field[Any], raw: Any) -> Any:
    """Read one value as its field wants it, or say what was expected."""
    key = f"{section}.{item.name}"
    if isinstance(raw, str) and raw in item.metadata.get("words", ()):
        return item.metadata["words"][raw]
    try:
        value = _READERS[str(item.type)](raw)
    except (TypeError, ValueError):
        kind, way_out = _KINDS[str(item.type)]
        raise ConfigError(f"{key} as {kind}", f"{key}={raw!r}", way_out) from None
    _keep_limits(key, item.metadata, value)
    return value


def _keep_limits(key: str, limits: Mapping[str, Any], value: Any) -> None:
    choices = limits.get("choices", ())
    for word in value or ("",) if choices and isinstance(value, tuple) else (value,):
        others = limits.get("others", ())
        is_other = any(fnmatch(word.lower(), pattern) for pattern in others)
        if choices and word not in choices and not is_other:
            expected = f"{key} from {', '.join(filter(None, (*choices, *others)))}"
            raise ConfigError(expected, f"{key}={word}", nearest(word, choices))
    least, most = limits.get("least"), limits.get("most")
    if (least is not None and value < least) or (most is not None and value > most):
        upper = "" if most is None else f" and at most {most}"
        expected = f"{key} at least {least}{upper}"
        raise ConfigError(expected, f"{key}={value}", "Choose a value in range")


def _read_bool(raw: Any) -> bool:
    word = str(raw).lower()
    if word not in ("true", "false"):
        raise ValueError(raw)
    return word == "true"


def _read_int(raw: Any) -> int:
    if isinstance(raw, bool | float):
        raise TypeError(raw)
    return int(raw)


def _read_float(raw: Any) -> float:
    if isinstance(raw, bool):
        raise TypeError(raw)
    if not math.isfinite(value := float(raw)):
        raise ValueError(raw)
    return value


def _read_str(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    return raw


def _read_names(raw: Any) -> tuple[str, ...]:
    words = raw.split(",") if isinstance(raw, str) else _read_list(raw)
    return tuple(word.strip() for word in words if word.strip())


def _read_paths(raw: Any) -> tuple[str, ...]:
    paths = [raw] if isinstance(raw, str) else _read_list(raw)
    if not all(path.strip() for path in paths):
        raise ValueError(raw)  # an empty path would mean the current folder
    return tuple(paths)


def _read_list(raw: Any) -> list[str]:
    if not isinstance(raw, list | tuple):
        raise TypeError(raw)
    return [_read_str(word) for word in raw]


_READERS = {
    "bool": _read_bool,
    "int": _read_int,
    "float": _read_float,
    "str": _read_str,
    "Names": _read_names,
    "Paths": _read_paths,
}
_KINDS = {
    "bool": ("true or false", "Write true or false"),
    "int": ("a whole number", "Write it like 3"),
    "float": ("a number", "Write it like 0.5"),
    "str": ("text", "Put it in quotes"),
    "Names": ("names with commas between", "Write them like a,b"),
    "Paths": ("paths", "Name folders or files"),
}
