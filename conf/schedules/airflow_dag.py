"""Airflow 3: score what has arrived, every night, on the cluster of the connection spark_default.

Put this file into the DAGs folder and make the paths yours. The worker needs spark-submit on its
PATH and apache-airflow-providers-apache-spark; conf/cluster.conf says what the nodes need.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import DAG

CXR = "/opt/cxr"
DATA = "hdfs:///data/cxr"

with DAG(
    dag_id="cxr_score",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # One run scores all that is new, so nights that were missed need no runs of their own.
    catchup=False,
    max_active_runs=1,
    # A run that was killed is safe to repeat: each film has one row, however often it is tried.
    default_args={"retries": 2, "retry_delay": timedelta(minutes=10)},
) as dag:
    SparkSubmitOperator(
        task_id="score",
        name="cxr score",
        conn_id="spark_default",
        application=f"{CXR}/jobs/score.py",
        py_files=f"{CXR}/spark_cxr.zip",
        properties_file=f"{CXR}/conf/cluster.conf",
        conf={"spark.pyspark.python": f"{CXR}/bin/python"},
        application_args=[
            *("--model", f"{DATA}/model"),
            *("--images", f"{DATA}/arrivals"),
            *("--table", f"{DATA}/scores"),
            "--experimental",  # HDFS has never been tried; s3a: needs no such word
        ],
    )
