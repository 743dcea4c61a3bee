"""Which results are whose."""
