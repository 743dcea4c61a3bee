#!/usr/bin/env bash
# cxrnet.sh BIN FOLDER [FLAGS...]: train CXRNet as it was trained, and put it into the package.
#
# Begins with SqueezeNet's ImageNet weights in grey (benchmarks/cxrnet/start.py), and learns from the
# training part of the Radiography set: from no film that is in the Ozturk set, or is a twin or of a
# patient of one that is.
# Stopped, it goes on when it is started again. FLAGS are for jobs/finetune.py.
set -euo pipefail
bin="$1"
out="$2"
data="${SPARK_CXR_DATA:-../shared/data}"
colour="$data/../weights/squeezenet11_imagenet.keras"

[ -f "$colour" ] || { echo "cxrnet: Expected $colour. Received: nothing. Set SPARK_CXR_DATA." >&2; exit 2; }
mkdir -p "$out"
[ -f "$out/begin.keras" ] || "$bin/python" -m benchmarks.cxrnet.start "$colour" "$out/begin.keras"
"$bin/spark-submit" jobs/finetune.py --images "$data/radiography" --labels "$data/manifest.csv" \
  --unmatched keep --split "$data/manifest.csv" --crossing drop --never "$data/ozturk" \
  --backbone "$out/begin.keras" --normalising grey --layers fire4 --warm-epochs 1 --epochs 28 \
  --learning-rate 0.0005 --augment 0.8 --best-by loss --patience 12 --average 0 --calm-epochs 0 --no-refit --out "$out/training" "${@:3}"
"$bin/python" -m benchmarks.cxrnet.embed "$out/training/weights.keras"
