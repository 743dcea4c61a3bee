"""Many small files into few large ones."""
