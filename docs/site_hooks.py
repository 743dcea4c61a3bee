"""Hooks of mkdocs: the pages of the Python API, and a check that no page loads from elsewhere.

The API has one page for each folder of spark_cxr that has public files, found when the site is
built, so that a file that moves needs no change here. What is not shown stands in `HIDDEN`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "spark_cxr"
HIDDEN = {"spark_cxr.cli"}
"""Modules without an API: their page is the one of the verbs."""
FOREIGN = re.compile(
    r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link(?=[^>]*rel=[\"']?(?:stylesheet|preconnect|preload|icon))"
    r"[^>]*href=[\"']?(?:https?:)?//[^>]*>"
)
"""A tag by which a browser fetches something from another host."""


def _is_public(path: Path) -> bool:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    has_names = any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        for node in tree.body
    )
    return has_names and not path.stem.startswith("_") and name not in HIDDEN


def _packages() -> dict[str, list[str]]:
    """Give what is public in each folder of the library, by the folder's dotted name."""
    found = {"spark_cxr": ["spark_cxr.load_model"]}
    for path in sorted(LIBRARY.rglob("*.py")):
        if _is_public(path):
            package = ".".join(path.parent.relative_to(ROOT).parts)
            found.setdefault(package, []).append(f"{package}.{path.stem}")
    return found


def _page(package: str, names: list[str]) -> str:
    init = ROOT.joinpath(*package.split("."), "__init__.py")
    about = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) if init.is_file() else ""
    return "\n\n".join([f"# {package}", about or "", *(f"::: {name}" for name in names)])


def on_config(config: Any) -> Any:
    """Put the pages of the API into the navigation, before the last section."""
    pages = [{package.removeprefix("spark_cxr."): f"api/{package}.md"} for package in _packages()]
    config.nav.insert(-1, {"Python API": pages})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Make the pages of the API."""
    for package, names in _packages().items():
        path = f"api/{package}.md"
        files.append(File.generated(config, path, content=_page(package, names)))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Stop where a page would load a script, a style, a picture or a font from another host."""
    if found := FOREIGN.search(output):
        raise PluginError(f"{page.file.src_uri} would load from elsewhere: {found[0]}")
    return output
