"""The load is put on the server of tests/serve."""

from tests.serve.conftest import drawn, model_dir, server

__all__ = ["drawn", "model_dir", "server"]
