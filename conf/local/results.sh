#!/usr/bin/env bash
# results.sh BIN FOLDER [PART...]: the runs behind the table of the field, and the table.
#
# PARTs: frozen (heads on CXRNet, SqueezeNet and EfficientNet-Lite0), elsewhere (logistic regression on them, tested on the
# source that was left out, on whole films and on lungs), tuned (CXRNet trained further), large (ResNet50 and VGG16 trained
# further, from ImageNet weights, for a machine with a GPU); all but large when none is named. Networks are trained on the
# films that `frozen` ingested, so it comes before `tuned` and `large`.
# A run that is there already is not made again, so this can be stopped and started anew.
# Films and weights lie in SPARK_CXR_DATA, else ../shared/data, and in weights/ beside that.
set -euo pipefail
bin="$1"
out="$2"
parts="${*:3}"
data="${SPARK_CXR_DATA:-../shared/data}"
squeezenet="$data/../weights/squeezenet11_imagenet.keras"
efficientnet="$data/../weights/efficientnet_lite0_imagenet.onnx"
manifest="$data/manifest.csv"
heads="lr rf dt mlp"

[ -f "$manifest" ] || { echo "results: Expected films at $data. Received: nothing. Set SPARK_CXR_DATA." >&2; exit 2; }

# run NAME JOB FLAGS...: unless it has ended well before. finetune goes on where it was stopped.
run() {
  grep -qs '"status": *"ok"' "$out/$1/run.json" && return
  local anew=--overwrite
  [ "$2" = finetune ] && anew=
  echo "--- $1: $2 ${*:3}" >&2
  "$bin/spark-submit" "jobs/$2.py" "${@:3}" --out "$out/$1" $anew >> "$out/log"
}

# deal TABLE STEM: five files STEM-0.csv to STEM-4.csv that say who trains and who is tested.
deal() {
  "$bin/python" - "$@" <<'END'
import csv, sys
from pyarrow.parquet import read_table

rows = read_table(sys.argv[1]).to_pylist()
for number in range(5):
    with open(f"{sys.argv[2]}-{number}.csv", "w", newline="") as file:
        told = csv.writer(file)
        told.writerow(["path", "split"])
        told.writerows([row["path"], "test" if row["fold"] == number else "train"] for row in rows)
END
}

ozturk=(--images "$data/ozturk" --labels "$manifest" --unmatched keep)
three=()
two=(--classes "Covid-19,No_findings")

frozen() {
  local network name head
  for network in "$squeezenet" "$efficientnet" CXRNet; do
    name="$(basename "${network%.*}")"
    run "radiography/$name" featurize --images "$data/radiography" --labels "$manifest" \
      --unmatched keep --backbone "$network"
    for head in $heads; do
      run "radiography/$name-$head" train --head "$head" --features "$out/radiography/$name" \
        --labels "$manifest" --split "$manifest" --crossing drop --no-learning-curve --explained 0
    done
  done
  run ozturk-three/frozen compare "${ozturk[@]}" "${three[@]}" --backbones "CXRNet,$squeezenet,$efficientnet" --heads "${heads// /,}"
  run ozturk-two/frozen compare "${ozturk[@]}" "${two[@]}" --backbones "CXRNet,$squeezenet,$efficientnet" --heads "${heads// /,}"
}

elsewhere() {
  local see
  [ -f "$out/sources.csv" ] || "$bin/python" -m benchmarks.field.sources "$data" "$out/sources.csv"
  for see in film lungs lungs-only; do
    run "elsewhere/$see" compare --images "$data/radiography/COVID" "$data/radiography/Normal" "$data/kermany" "$data/ozturk" \
      --labels "$out/sources.csv" --unmatched keep --backbones "CXRNet,$squeezenet,$efficientnet" --heads lr \
      --folds source --splits patient --see "$see"
  done
}

# How a network learns from thousands of films, and how from hundreds.
many=(--val-fraction 0.03 --dropout 0 --balance-by none --label-smoothing 0.1 --augment 0.5 --learning-rate 0.0004 --epochs 9 --calm-epochs 2 --best-by last)
few=(--mirror-films --balance-by none --best-by last --label-smoothing 0.1 --augment 0.4 --layers 0.5 --learning-rate 0.0003 --epochs 7)

# tuned NETWORK: on the films and folds of `frozen`, so that both are asked about the same.
tuned() {
  local set by number classes
  [ -f "$out/ozturk-two/frozen/run.json" ] || { echo "results: Expected what frozen leaves at $out. Received: nothing. Name both: frozen $part." >&2; exit 2; }
  run "radiography/$1-tuned" finetune --table "$out/radiography/CXRNet" --split "$manifest" --crossing drop \
    --backbone "$1" "${many[@]}"
  for by in image patient; do
    for set in three two; do
      declare -n classes="$set"
      deal "$out/ozturk-$set/frozen/folds/by-$by" "$out/ozturk-$set/by-$by"
      for number in 0 1 2 3 4; do
        run "ozturk-$set/$1-tuned-by-$by/$number" finetune --table "$out/ozturk-$set/frozen" "${classes[@]}" --backbone "$1" \
          --split "$out/ozturk-$set/by-$by-$number.csv" --crossing keep --explained 0 "${few[@]}"
      done
    done
  done
}

mkdir -p "$out"
for part in ${parts:-frozen elsewhere tuned}; do
  case "$part" in
    frozen) frozen ;;
    elsewhere) elsewhere ;;
    tuned) tuned CXRNet ;;
    large) tuned ResNet50; tuned VGG16 ;;
    *) echo "results: Expected frozen, elsewhere, tuned or large. Received: $part. Leave it out." >&2; exit 2 ;;
  esac
done
"$bin/python" -m benchmarks.field.table "$out"
