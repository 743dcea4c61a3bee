"""Trains on one device or on two that TensorFlow makes of one processor: `1` or `2`.

Arguments: number of devices, folder of the task, file of the network.
"""

import sys
from dataclasses import replace
from pathlib import Path

import tensorflow as tf
from training_tasks import opened_task

from spark_cxr.training import devices, loop


def main() -> None:
    count, folder, body = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    if count == 2:
        strategy = tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
        found = devices.find("f32")
        devices.find = lambda precision: replace(found, strategy=strategy)
    changes = {"head": (8,), "dropout": 0.0, "distil": 0.1, "epochs": 2}
    loop.train(opened_task(folder, body, **changes), print)


if __name__ == "__main__":
    main()
