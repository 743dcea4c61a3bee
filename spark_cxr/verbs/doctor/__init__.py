"""What of this machine spark_cxr can use."""
