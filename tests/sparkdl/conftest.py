"""What tests of the old names share: a cache of networks of their own."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CXR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
