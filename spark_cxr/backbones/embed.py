"""Make a Keras file the network that ships with spark_cxr: the file, and its digest.

    python -m spark_cxr.backbones.embed FILE.keras

It is copied to `embedded/` beside this file, and its SHA-256 into the catalog. Those two are all
that changes when the network has been trained anew.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from spark_cxr.backbones import catalog
from spark_cxr.backbones.cache import digest
from spark_cxr.errors import ConfigError

HERE = Path(__file__).parent


def embed(source: Path, package: Path = HERE) -> str:
    """Put the file into the folder of this package, and its digest into the row; give that."""
    file = catalog.get(catalog.SHIPPED).embedded
    if file is None:
        raise ConfigError("a network that ships with spark_cxr", catalog.SHIPPED, "See the catalog")
    sha256, rows = digest(source), package / "catalog.py"
    written = rows.read_text(encoding="utf-8").replace(file.sha256, sha256)
    (package / "embedded").mkdir(exist_ok=True)
    shutil.copyfile(source, package / "embedded" / file.name)
    rows.write_text(written, encoding="utf-8")
    return sha256


if __name__ == "__main__":
    print(embed(Path(sys.argv[1])))
