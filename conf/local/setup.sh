#!/usr/bin/env bash
# setup.sh [VENV [PYSPARK_VERSION [EXTRAS]]]: Java, a virtual environment, everything pinned.
# Run again it does nothing, unless what it was made from has changed. Each step is one line with its seconds;
# what pip and apt say is shown where one fails, and all of it then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv="${1:-.venv}"
pyspark="${2:-}"
usual="local,cpu,onnx,int8,dicom,report,tracking,serve,sign,dev"
extras="${3:-$usual}"

log="$(mktemp)"
ticker=""
stop_ticker() { [ -z "$ticker" ] || { kill "$ticker"; wait "$ticker"; } 2>/dev/null || true; ticker=""; }
trap 'stop_ticker; rm -f "$log"' EXIT

fail() { echo "setup: $*" >&2; exit 2; }
show_log() { cat "$log" >&2; }

# A terminal shows seconds that go on in one line; a file or a pipe gets a line now and then.
if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then pause=1 wipe=$'\r\033[K' end=""; else pause=20 wipe="" end=$'\n'; fi

tick() {
  local begun=$SECONDS
  while :; do
    # The sleep outlives its shell for a moment, and nobody shall wait for it at the end of a pipe.
    sleep "$pause" > /dev/null 2>&1
    printf '%ssetup: %s … %d s%s' "$wipe" "$1" $((SECONDS - begun)) "$end" >&2
  done
}

# step WORDS COMMAND…: say what is going on while a command runs, and how long it took.
step() {
  local words="$1" begun=$SECONDS status=0
  shift
  printf 'setup: %s …%s' "$words" "$end" >&2
  tick "$words" &
  ticker=$!
  "$@" > "$log" 2>&1 || status=$?
  stop_ticker
  printf '%ssetup: %s%s, %d s\n' "$wipe" "$words" "$([ "$status" = 0 ] || echo ": failed")" $((SECONDS - begun)) >&2
  return "$status"
}

# As root on Debian or Ubuntu what is missing is installed; else the way out is named.
apt_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  step "looking for $1" apt-get update -q \
    && step "installing $1" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$1" \
    || { show_log; return 1; }
}

java_version() {
  local java="java"
  [ -n "${JAVA_HOME:-}" ] && java="$JAVA_HOME/bin/java"
  "$java" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1 || true
}

need_java() {
  local version
  version="$(java_version)"
  [ "${version:-0}" -ge 17 ] && return
  if [ -z "${JAVA_HOME:-}" ] && apt_install openjdk-17-jre-headless; then
    version="$(java_version)"
    [ "${version:-0}" -ge 17 ] && return
  fi
  fail "Expected Java 17 or 21. Received: ${version:+Java }${version:-none}${JAVA_HOME:+ in JAVA_HOME=$JAVA_HOME}." \
    "Install one (Debian, Ubuntu: sudo apt-get install openjdk-17-jre-headless) or set JAVA_HOME."
}

find_python() {
  local name
  for name in ${PYTHON:-python3 python3.11 python3.12 python3.13}; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$name"; return; }
  done
  fail "Expected Python 3.11 or later. Received: $(python3 --version 2>&1 || true)." \
    "Install one, or name it: make setup PYTHON=/path/to/python3"
}

make_venv() {
  step "making $venv" "$1" -m venv "$venv" && return
  rm -rf "$venv"
  apt_install python3-venv && step "making $venv" "$1" -m venv "$venv" && return
  fail "Expected a Python with the module venv. Received: $1 without it." \
    "Install it (Debian, Ubuntu: sudo apt-get install python3-venv)."
}

need_java
python="$(find_python)"
made_from="$(cat setup.py conf/constraints.txt conf/locked.txt conf/local/s{etup,park-submit}.sh | sha256sum | cut -c1-64)"
made_from="$made_from $PWD/$venv $("$python" --version 2>&1) ${pyspark:-as pinned} $extras"
[ "$(cat "$venv/made-from" 2>/dev/null || true)" = "$made_from" ] && exit 0

echo "setup: fills $venv, once; some minutes where downloads are slow" >&2
[ -x "$venv/bin/python" ] || make_venv "$python"
rm -f "$venv/made-from"
pins="$venv/constraints.txt"
# Another PySpark brings its own py4j.
sed "${pyspark:+s/^pyspark==.*/pyspark==$pyspark/; /^py4j==/d}" conf/constraints.txt > "$pins"
pip_install() {
  local words="$1"
  shift
  step "$words" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" && return
  show_log
  fail "Expected pip to install what setup.py names. Received: the error above. Check the network, then run this again."
}
# pip, setuptools and wheel first, by their digests: they install the others, and build spark_cxr itself.
awk '/^(pip|setuptools|wheel)==/ {on = 1} on; !/\\$/ {on = 0}' conf/locked.txt > "$venv/first.txt"
pip_install "installing pip itself" --require-hashes --no-deps -r "$venv/first.txt"
# The usual environment is checked file by file against the digests of conf/locked.txt. Others are not: another
# PySpark has other digests, and builds of PyTorch or for GPUs come from where the user's own index has them. Nor
# is it with SPARK_CXR_HASHES=off, for a registry that builds its files anew.
if [ -z "$pyspark" ] && [ "$extras" = "$usual" ] && [ "${SPARK_CXR_HASHES:-on}" != off ]; then
  pip_install "installing packages, each checked by its digest" \
    --require-hashes --no-deps -r conf/locked.txt
fi
pip_install "installing spark_cxr" --no-build-isolation -c "$pins" -e ".[$extras]"
install -m 755 conf/local/spark-submit.sh "$venv/bin/spark-submit"
echo "$made_from" > "$venv/made-from"
echo "setup: $venv is ready, $SECONDS s" >&2
