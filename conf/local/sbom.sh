#!/usr/bin/env bash
# sbom.sh BIN DIST VENV: what the environment of BIN holds, as an SBOM (CycloneDX, JSON) and as a list of licences.
# The tools have an environment of their own, so that they do not list themselves.
set -euo pipefail
bin="$1"
dist="$2"
venv="$3"

[ -x "$venv/bin/cyclonedx-py" ] || {
  "$bin/python" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 pip-licenses==5.5.5
}
mkdir -p "$dist"
"$venv/bin/cyclonedx-py" environment --output-reproducible --of JSON -o "$dist/sbom.cdx.json" "$bin/python" >&2
"$venv/bin/pip-licenses" --python "$bin/python" --format=csv --with-urls --output-file "$dist/licences.csv" >&2
"$venv/bin/python" - "$dist" <<'END'
import csv
import json
import pathlib
import sys

dist = pathlib.Path(sys.argv[1])
parts = {part["name"] for part in json.loads((dist / "sbom.cdx.json").read_text())["components"]}
licences = list(csv.DictReader((dist / "licences.csv").open(encoding="utf-8")))
unknown = [row["Name"] for row in licences if row["License"].upper() in ("", "UNKNOWN")]
if len(parts) < 20 or len(licences) < 20:
    raise SystemExit(f"sbom: Expected the packages of an environment. Received: {len(parts)}, {len(licences)}.")
print(f"sbom: {len(parts)} packages; no licence named by: {', '.join(unknown) or 'none'}")
END
