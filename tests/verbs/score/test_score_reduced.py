"""`--reduce auto`: JPEG 2000 no finer than the network needs, and the row says so."""

import numpy as np
from scoring_table import rows

from tests.images.encoded import Encoded, jpeg_2000

FILM = (np.add.outer(np.arange(300), np.arange(280)) * 7 % 4096).astype("u2")


def test_only_jpeg_2000_is_decoded_at_a_lower_resolution_and_flagged(score, tmp_path, folder):
    film = Encoded("1.2.840.10008.1.2.4.90", jpeg_2000(FILM), FILM)
    (folder / "film.dcm").write_bytes(film.dicom())
    said = score(reduce="auto")
    assert (said["scored"], said["flags"]["reduced"]) == (7, 1)
    flagged = [row["path"] for row in rows(tmp_path / "T") if "reduced" in row["flags"]]
    assert [path.rpartition("/")[2] for path in flagged] == ["film.dcm"]


def test_films_are_decoded_in_full_unless_told_otherwise(score, tmp_path, folder):
    film = Encoded("1.2.840.10008.1.2.4.90", jpeg_2000(FILM), FILM)
    (folder / "film.dcm").write_bytes(film.dicom())
    assert "reduced" not in score()["flags"]
