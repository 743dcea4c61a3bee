#!/usr/bin/env bash
# `make setup` puts this into .venv/bin as spark-submit: the Spark, the Python and the settings of
# this checkout, whatever else is on the PATH. (pip's own script looks for them on the PATH.)
set -euo pipefail
bin="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
homes=("$bin"/../lib/python3.*/site-packages/pyspark)
export SPARK_HOME="${homes[0]}"
export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$bin/python}"
export SPARK_CONF_DIR="${SPARK_CONF_DIR:-$bin/../../conf/local}"
exec "$SPARK_HOME/bin/spark-submit" "$@"
