"""Backbones and heads compared on the same folds."""
