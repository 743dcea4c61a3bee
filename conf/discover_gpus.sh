#!/usr/bin/env bash
# Tells Spark which NVIDIA GPUs an executor may use: {"name": "gpu", "addresses": ["0", "1"]}
# conf/gpu.conf says where Spark wants to know. An address is the number that programs started from
# here know a GPU by, so CUDA_VISIBLE_DEVICES, where it is set, gives the order and the count.
set -euo pipefail

fail() { echo "discover_gpus: Expected $1. Received: $2. $3." >&2; exit 1; }

visible="${CUDA_VISIBLE_DEVICES-all}"
case "$visible" in
  "" | -1 | none | NoDevFiles)
    fail "a GPU for this executor" "CUDA_VISIBLE_DEVICES='$visible'" "Unset it, or run on the CPU with conf/cpu.conf" ;;
esac
command -v nvidia-smi >/dev/null \
  || fail "nvidia-smi on the PATH" "none on $(hostname)" "Install NVIDIA's driver, or run on the CPU with conf/cpu.conf"
listed="$(nvidia-smi --query-gpu=index --format=csv,noheader 2>&1)" \
  || fail "nvidia-smi to list GPUs" "$(echo "$listed" | head -n 1)" "Check NVIDIA's driver on $(hostname)"
count="$(grep -c '^ *[0-9][0-9]* *$' <<<"$listed" || true)"
[ "$count" -gt 0 ] \
  || fail "a GPU on $(hostname)" "none listed by nvidia-smi" "Run on the CPU with conf/cpu.conf"

if [ "$visible" != all ]; then
  IFS=, read -ra named <<<"$visible"
  count="${#named[@]}"
fi
addresses="$(seq -s '", "' 0 $((count - 1)))"
echo "{\"name\": \"gpu\", \"addresses\": [\"$addresses\"]}"
