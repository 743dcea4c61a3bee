"""Chest X-rays on Spark: ingest, featurize, train, compare, score, explain. Research use only."""

__version__ = "0.1.0"
