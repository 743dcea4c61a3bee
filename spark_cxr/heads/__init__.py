"""Vectors → probabilities: the classifiers."""
