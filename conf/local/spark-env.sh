# One machine talks to itself: no look-up of its own name, no open port to others.
export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
