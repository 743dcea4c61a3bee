"""What test_airflow_dag.py runs in Airflow's own environment.

python airflow_program.py DAG.py [run]: says what the DAG holds and the command that it would start;
with `run` it starts it, as a worker of Airflow does.
"""

import json
import runpy
import sys


def main(file, *wanted):
    dag = runpy.run_path(file)["dag"]
    (score,) = dag.tasks
    if wanted:
        score.execute({})
        return
    command = score._get_hook()._build_spark_submit_command(score.application)
    said = {
        "dag": dag.dag_id,
        "cron": dag.timetable.expression,
        "catchup": dag.catchup,
        "at_once": dag.max_active_runs,
        "retries": score.retries,
        "command": command,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
