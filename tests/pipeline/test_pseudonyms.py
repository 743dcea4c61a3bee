import hashlib
import hmac

import pyarrow as pa
import pytest

from spark_cxr.errors import ConfigError
from spark_cxr.images.film import DEFAULT_LIMITS
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.film_pass import TableFile
from spark_cxr.pipeline.pseudonyms import pseudonym
from spark_cxr.pipeline.reading import WANTED, Reading, reading_pass
from spark_cxr.pipeline.text_columns import pseudonymised


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


def test_a_pass_without_a_key_names_no_patient():
    drawn = phantoms(4, 0, 64, ("dicom",), 0, masks=False, marker="none")
    content = next(phantom.data for phantom in drawn)
    row = {"path": ["p/Miller/a.dcm"], "modified": [None], "bytes": [1], "content": [content]}
    file = TableFile(pa.RecordBatch.from_pydict(row | {WANTED: [[False]]}), 0)

    def patient(key):
        reading = Reading(DEFAULT_LIMITS, key, "p/([^/]+)/")
        return reading_pass(reading).open(file).note["patient_id"]

    assert (patient(None), patient(b"k")) == (None, pseudonym(b"k", "Miller"))


@pytest.mark.parametrize(
    "word", ["NA", "nan", " None ", "null", "-", "Unknown", "n/a", "ANONYMOUS"]
)
def test_a_word_for_nobody_has_no_pseudonym(word):
    assert pseudonym(b"a", word) is None


def test_accents_apart_are_the_same_patient():
    assert pseudonym(b"a", "Mu\u0308ller") == pseudonym(b"a", "M\u00fcller")
