"""The verbs of spark_cxr, one a file, for spark-submit."""
