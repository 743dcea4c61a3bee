"""Zip, tar, Parquet and array files that hold films: listed and read where they lie."""
