#!/usr/bin/env bash
# cluster.sh FOLDER COMMAND...: a Spark cluster of its own on this machine while COMMAND runs.
#
# A standalone master and two workers of one core, on free ports of the loopback, from the Spark of
# .venv. What nodes would have lies in FOLDER: env, a Python with all that spark_cxr needs and without
# spark_cxr, and spark_cxr.zip, the wheel, that jobs bring along. COMMAND runs in FOLDER and finds
# them, and the cluster, in SPARK_CXR_MASTER, SPARK_CXR_PYTHON and SPARK_CXR_WHEEL.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
mkdir -p "$1"
folder="$(cd "$1" && pwd)"
shift
homes=("$root"/.venv/lib/python3.*/site-packages/pyspark)
PATIENCE=60  # seconds for master and workers to find each other

fail() { echo "cluster: $*" >&2; exit 2; }

# As on a node: from the index, pinned as here, and nothing of the checkout in it.
make_env() {
  local made_from
  made_from="$(cat "$root/setup.py" "$root/conf/constraints.txt" | sha256sum | cut -c1-64)"
  [ "$(cat "$folder/env/made-from" 2>/dev/null || true)" = "$made_from" ] && return
  echo "cluster: installing what the nodes need into $folder/env (once)" >&2
  rm -rf "$folder/env"
  "$root/.venv/bin/python" -m venv "$folder/env"
  "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/conf/constraints.txt" \
    "$1[dicom,report]" openvino 2>"$folder/pip.log" || { cat "$folder/pip.log" >&2; exit 2; }
  "$folder/env/bin/python" -m pip uninstall --quiet --yes spark-cxr
  echo "$made_from" > "$folder/env/made-from"
}

make_wheel() {
  rm -rf "$folder/wheel"
  "$root/.venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps \
    --wheel-dir "$folder/wheel" "$root" 2>"$folder/pip.log" || { cat "$folder/pip.log" >&2; exit 2; }
  cp "$folder"/wheel/spark_cxr-*.whl "$folder/spark_cxr.zip"
}

# start NAME CLASS ARGUMENTS...: with an environment of its own, as a node has it.
start() {
  env -i HOME="$HOME" PATH="$PATH" ${JAVA_HOME:+JAVA_HOME="$JAVA_HOME"} SPARK_HOME="${homes[0]}" \
    SPARK_CONF_DIR="$folder/no-conf" SPARK_LOCAL_IP=127.0.0.1 SPARK_DAEMON_MEMORY=256m \
    SPARK_DAEMON_JAVA_OPTS=-Dspark.master.rest.enabled=false \
    "${homes[0]}/bin/spark-class" "org.apache.spark.deploy.$2" --host 127.0.0.1 --port 0 \
    --webui-port 0 "${@:3}" >"$folder/$1.log" 2>&1 </dev/null &
  echo $! > "$folder/$1.pid"
  started+=($!)
}

# await LOG PATTERN COUNT
await() {
  for _ in $(seq $((PATIENCE * 5))); do
    [ "$(grep -c "$2" "$folder/$1.log")" -ge "$3" ] && return
    kill -0 "${started[@]}" 2>/dev/null || break
    sleep 0.2
  done
  fail "Expected $3 x '$2' in $folder/$1.log within $PATIENCE s. Received: none. Read the logs beside it."
}

started=()
stop() {
  [ ${#started[@]} = 0 ] && return
  kill "${started[@]}" 2>/dev/null || true
  wait "${started[@]}" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM HUP

make_wheel
make_env "$(echo "$folder"/wheel/spark_cxr-*.whl)"
start master master.Master
await master "Starting Spark master at" 1
SPARK_CXR_MASTER="$(sed -n 's/.*Starting Spark master at \(spark:[^ ]*\).*/\1/p' "$folder/master.log" | head -n 1)"
for worker in worker-1 worker-2; do
  start "$worker" worker.Worker --cores 1 --memory 1g --work-dir "$folder/$worker" "$SPARK_CXR_MASTER"
done
await master "Registering worker" 2
export SPARK_CXR_MASTER SPARK_CXR_PYTHON="$folder/env/bin/python" SPARK_CXR_WHEEL="$folder/spark_cxr.zip"
echo "cluster: two workers at $SPARK_CXR_MASTER" >&2
cd "$folder"
"$@" <&0 &  # in the background, so that a signal ends it and the cluster at once
started+=($!)
wait "$!"
