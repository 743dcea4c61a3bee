"""Make a Keras file the network that ships with spark_cxr: the file, its films, and its digest.

    python -m benchmarks.cxrnet.embed FILE.keras

It is copied to `spark_cxr/backbones/embedded/`, under our own name, the list of films that it was
trained on into a file beside it, and its SHA-256 into the catalog. Those three are all that changes
when the network has been trained anew.
"""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

from spark_cxr.backbones import catalog, film_list
from spark_cxr.backbones import user_network as own
from spark_cxr.backbones.cache import digest
from spark_cxr.errors import ConfigError

BACKBONES = Path(catalog.__file__).parent


def embed(source: Path, package: Path = BACKBONES) -> str:
    """Put the file into spark_cxr/backbones, and its digest into the row; give that."""
    file = catalog.get(catalog.SHIPPED).embedded
    if file is None:
        raise ConfigError("a network that ships with spark_cxr", catalog.SHIPPED, "See the catalog")
    target, rows = package / "embedded" / file.name, package / "catalog.py"
    target.parent.mkdir(exist_ok=True)
    _copy(source, target)
    if films := film_list.read_member(source):
        target.with_suffix(film_list.SUFFIX).write_bytes(films)
    written = rows.read_text(encoding="utf-8").replace(file.sha256, digest(target))
    rows.write_text(written, encoding="utf-8")
    return digest(target)


def _copy(source: Path, target: Path) -> None:
    """Copy the file, and let what it says of itself name the network, and no path of a machine."""
    with zipfile.ZipFile(source) as found, zipfile.ZipFile(target, "w") as made:
        for info in found.infolist():
            if info.filename == film_list.MEMBER:
                continue
            says = info.filename == own.PROVENANCE
            made.writestr(info, _renamed(source) if says else found.read(info))


def _renamed(source: Path) -> str:
    row, told = catalog.get(catalog.SHIPPED), own.read_provenance(source)
    if told is None:
        return ""
    named = replace(
        told,
        backbone=row.name,
        licence=row.licence,
        citation=row.citation,
        started_from=own.without_folder(told.started_from),
    )
    return json.dumps(named.to_json(), indent=1)


if __name__ == "__main__":
    print(embed(Path(sys.argv[1])))
