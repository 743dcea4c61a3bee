#!/usr/bin/env bash
# wheel.sh BIN DIST VENV: build the wheel into DIST, install it into an empty VENV with what it needs
# and OpenVINO, and use it there: draw films, and predict them with a model that BIN has trained.
set -euo pipefail
bin="$(cd "$1" && pwd)"
dist="$2"
venv="$PWD/$3"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

fail() { echo "wheel: $*" >&2; exit 2; }

rm -rf "$dist" "$venv"
"$bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$dist" .
"$bin/python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c conf/constraints.txt \
  "$dist"/spark_cxr-*.whl openvino

"$bin/spark-cxr" train-lr --no-learning-curve --explained 0 --resamples 100 --out "$work/R" \
  --set phantoms.count=60 --set phantoms.size=128 > "$work/log" 2>&1 \
  || { cat "$work/log" >&2; fail "Expected a model to try. Received: the error above."; }

cd "$work" # away from the checkout, so that its files are not found instead of the wheel's
"$venv/bin/spark-cxr" --help > /dev/null
"$venv/bin/spark-cxr" phantoms --out P --count 6 --formats png,jpeg > /dev/null
"$venv/bin/python" - <<'END'
from importlib.util import find_spec
from pathlib import Path

import spark_cxr

for name in ("pyspark", "tensorflow", "keras"):
    if find_spec(name):
        raise SystemExit(f"wheel: Expected an environment without {name}. Received: one with it.")
model = spark_cxr.load_model("R/model")
films = sorted(path for path in Path("P").glob("*/*") if path.suffix in (".png", ".jpg"))
answers = model.predict([path.read_bytes() for path in films])
bad = [f"{film}: {answer.bad}" for film, answer in zip(films, answers) if answer.bad]
if bad or len(answers) != 6:
    raise SystemExit(f"wheel: Expected an answer for 6 films. Received: {len(answers)}, {bad}.")
print(f"wheel: spark_cxr {spark_cxr.__version__} answers for {len(answers)} films without Spark")
END
