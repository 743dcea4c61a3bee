#!/usr/bin/env bash
# cluster_demo.sh: what `make cluster-demo` does on the cluster of cluster.sh, in its folder.
# Each job is submitted as to any standalone cluster, with conf/cluster.conf and the wheel.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

# The memory and cores of these small nodes; the rest is as conf/cluster.conf has it.
submit() {
  "$root/.venv/bin/spark-submit" --master "$SPARK_CXR_MASTER" \
    --properties-file "$root/conf/cluster.conf" --py-files "$SPARK_CXR_WHEEL" \
    --conf spark.pyspark.python="$SPARK_CXR_PYTHON" --driver-memory 1g \
    --executor-memory 512m --executor-cores 1 "$@"
}

# step WHAT JOB FLAGS...: what WHAT says of the job's last line has to be true.
step() {
  local said
  echo "--- $2 ${*:3}" >&2
  said="$(submit "$root/jobs/$2.py" "${@:3}" | tee /dev/stderr | tail -n 1)"
  "$SPARK_CXR_PYTHON" -c 'import json, sys
said = json.loads(sys.argv[1])
sys.exit(0 if eval(sys.argv[2]) else f"cluster-demo: Expected {sys.argv[2]}. Received: {said}.")' \
    "$said" "$1"
}

step 'said["files"] == 120' phantoms --out films --count 120 --bad 9 --overwrite
step 'said["files"] == 120 and said["quarantined"] == 9' \
  ingest --images films --labels films/manifest.csv --out tables --overwrite
step 'said["images"] == 111' featurize --table tables --out vectors --overwrite
step 'said["status"] == "ok"' train_lr --features vectors --out trained --overwrite
step 'said["status"] == "ok"' score --model trained/model --images films --table scores
# A second night finds nothing new.
step 'said["status"] == "ok"' score --model trained/model --images films --table scores
"$SPARK_CXR_PYTHON" - <<'END'
from collections import Counter
from pyarrow.parquet import read_table

rows = read_table("scores", columns=["path", "prediction"]).to_pylist()
twice = len(rows) - len({row["path"] for row in rows})
if len(rows) != 111 or twice:
    raise SystemExit(f"cluster-demo: Expected 111 films with one row each. Received: {len(rows)}.")
print("111 films, one row each:", dict(Counter(row["prediction"] for row in rows)))
END
