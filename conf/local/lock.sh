#!/usr/bin/env bash
# lock.sh: write conf/locked.txt anew from setup.py and conf/constraints.txt: every package of `make setup`
# and `make docs`, for every platform, with the SHA-256 of each of its files as the registry gives them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=.venv-lock
[ -x "$venv/bin/uv" ] || { "${PYTHON:-python3}" -m venv "$venv" && "$venv/bin/python" -m pip install --quiet "uv==0.13.9"; }
{
  echo "# Every package of \`make setup\` and \`make docs\` with the SHA-256 of its files. Written by \`make lock\`."
  # A patch release of Python is named because some packages need one.
  "$venv/bin/uv" pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11.5 \
    -c conf/constraints.txt setup.py <(echo pip; echo setuptools; echo wheel) \
    --extra local --extra cpu --extra onnx --extra int8 --extra dicom --extra report --extra tracking --extra serve --extra sign --extra docs --extra dev
} > conf/locked.txt.new
mv conf/locked.txt.new conf/locked.txt
