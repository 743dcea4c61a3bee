import hashlib
import hmac

import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.pipeline.pseudonyms import pseudonym, pseudonymised


def test_a_pseudonym_is_a_keyed_digest_of_the_id():
    digest = hmac.new(b"key", b"Miller^John", hashlib.sha256).hexdigest()
    assert pseudonym(b"key", "Miller^John") == f"p{digest[:20]}"


def test_another_key_gives_another_pseudonym():
    assert pseudonym(b"a", "7") != pseudonym(b"b", "7")


def test_spaces_around_an_id_do_not_matter():
    assert pseudonym(b"a", " 7 ") == pseudonym(b"a", "7")


def test_no_id_has_no_pseudonym():
    assert pseudonym(b"a", None) is None
    assert pseudonym(b"a", "  ") is None


@pytest.mark.parametrize("make", [lambda: pseudonym(b"", "7"), lambda: pseudonymised(b"")])
def test_without_a_key_there_is_no_pseudonym(make):
    with pytest.raises(ConfigError, match="Expected a key for the pseudonyms of patients"):
        make()
