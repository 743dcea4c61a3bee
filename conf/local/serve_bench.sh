#!/usr/bin/env bash
# serve_bench.sh BIN FOLDER: a ResNet50 on drawn films, a server for it, and clients that ask it.
set -euo pipefail
bin="$1"
here="$2"
port="${PORT:-8089}"

[ -f "$here/films/run.json" ] || "$bin/spark-cxr" phantoms --out "$here/films" \
  --count 64 --size 1024 --formats png --overwrite
if [ ! -f "$here/train/model/model.json" ]; then
  "$bin/spark-cxr" phantoms --out "$here/small" --count 60 --size 256 --formats png --overwrite
  "$bin/spark-submit" jobs/train_lr.py --images "$here/small" --backbone ResNet50 --weights random:0 \
    --no-learning-curve --out "$here/train" --overwrite
fi

"$bin/spark-cxr" serve --model "$here/train/model" --port "$port" > "$here/served.json" 2> "$here/serve.log" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
until grep -q "is ready after" "$here/serve.log"; do
  kill -0 "$server" 2>/dev/null || { cat "$here/serve.log" >&2; exit 2; }
  sleep 0.1
done
grep "is ready after" "$here/serve.log" >&2
"$bin/spark-cxr" load --url "http://127.0.0.1:$port" --images "$here/films" --model "$here/train/model"
