#!/usr/bin/env bash
# cluster_demo.sh: what `make cluster-demo` does on the cluster of cluster.sh, in its folder.
# Each job is submitted as to any standalone cluster, with conf/cluster.conf and the wheel.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

# The memory and cores of these small nodes; the rest is as conf/cluster.conf has it. The driver has
# Keras, to build the network; the nodes run it without.
submit() {
  "$root/.venv/bin/spark-submit" --master "$SPARK_CXR_MASTER" \
    --properties-file "$root/conf/cluster.conf" --py-files "$SPARK_CXR_WHEEL" \
    --conf spark.pyspark.python="$SPARK_CXR_PYTHON" --driver-memory 1g \
    --conf spark.pyspark.driver.python="$root/.venv/bin/python" \
    --executor-memory 512m --executor-cores 1 "$@"
}

CHECK='import json, sys
said = json.loads(sys.argv[1])
if not eval(sys.argv[2], {}, said):
    sys.exit(f"cluster-demo: Expected {sys.argv[2]}. Received: {sys.argv[1]}.")
print("{job:<10}{seconds:>6.1f} s  ".format(**said), sys.argv[2])'

# step WHAT JOB FLAGS...: WHAT has to be true of the job's last line. (tee /dev/stderr would empty a
# file that stderr goes to.)
step() {
  local said
  echo "--- $2 ${*:3}" >&2
  said="$(submit "$root/jobs/$2.py" "${@:3}" | tee >(cat >&2) | tail -n 1)"
  "$SPARK_CXR_PYTHON" -c "$CHECK" "$said" "$1"
}

rm -rf scores  # an earlier demo's: what is drawn again would be known
step 'files == 120' phantoms --out films --count 120 --bad 9 --overwrite
step 'files == 120 and quarantined == 9' \
  ingest --images films --labels films/manifest.csv --out tables --overwrite
step 'images == 111' featurize --table tables --out vectors --overwrite
step 'n_train + n_test == 111' train_lr --features vectors --out trained --overwrite
step 'scored == 111' score --model trained/model --images films --table scores
# In the second night nothing is new.
step 'scored == 0' score --model trained/model --images films --table scores
"$SPARK_CXR_PYTHON" - <<'END'
from collections import Counter
from pyarrow.parquet import read_table

rows = read_table("scores", columns=["path", "prediction"]).to_pylist()
twice = len(rows) - len({row["path"] for row in rows})
if len(rows) != 111 or twice:
    raise SystemExit(f"cluster-demo: Expected 111 films with one row each. Received: {len(rows)}.")
print("111 films, one row each:", dict(Counter(row["prediction"] for row in rows)))
END
