"""The command line of a job, made from its settings: one flag for each field."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any, NoReturn

from spark_cxr.errors import ConfigError
from spark_cxr.settings import SECTIONS, WITHOUT_OUT, nearest


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


def make_parser(
    job: str,
    summary: str,
    sections: Sequence[str],
    values: Mapping[str, Mapping[str, Any]],
    texts: Mapping[tuple[str, str], str],
) -> argparse.ArgumentParser:
    """Make the parser of a job that uses `sections`, with defaults and texts of conf/base.toml."""
    parser = _Parser(prog=job, description=summary, allow_abbrev=False)
    parser.add_argument("--conf", metavar="FILE.toml", help="settings to put over the defaults")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="one setting: section.key=x"
    )
    for section, item in flagged_items(sections):
        text = f"{texts[section, item.name]} [{_shown(values[section][item.name])}]"
        parser.add_argument(
            f"--{item.name.replace('_', '-')}", help=text.replace("%", "%%"), **_flag(item)
        )
    return parser


def _flag(item: Field[Any]) -> dict[str, Any]:
    if item.type == "bool":
        return {"action": argparse.BooleanOptionalAction, "default": None}
    metavar = {"Paths": "PATH", "Names": "A,B", "int": "N", "float": "X"}.get(
        str(item.type), "WORD"
    )
    if "bare" in item.metadata:
        return {"metavar": metavar, "nargs": "?", "const": item.metadata["bare"]}
    return {"metavar": metavar} | ({"nargs": "+"} if item.type == "Paths" else {})


def _shown(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def flagged_items(sections: Sequence[str]) -> Iterator[tuple[str, Field[Any]]]:
    """Give the fields that a job with these sections has flags for, with their section."""
    names = sections if set(sections) & WITHOUT_OUT else ("run", *sections)
    return ((name, item) for name in names for item in fields(SECTIONS[name]))
