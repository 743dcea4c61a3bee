"""The table of lungs: a row a film, and nothing invented."""

import io

import numpy as np
from PIL import Image

from spark_cxr.config import defaults
from spark_cxr.images.decode import decode
from spark_cxr.output import Output
from spark_cxr.phantoms import phantoms
from spark_cxr.pipeline.lung_table import ingest_with_lungs
from spark_cxr.schemas import LUNGS, columns


def test_each_film_has_a_row_with_its_lungs_or_with_none(spark, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    films = {f"{n}.png": each.data for n, each in enumerate(phantoms(4, 3, 96, formats=("png",)))}
    noise = np.random.default_rng(0).integers(0, 256, (80, 80)).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise).save(written, "PNG")
    for name, content in {**films, "noise.png": written.getvalue(), "bad.png": b"x"}.items():
        (folder / name).write_bytes(content)
    output = Output(str(tmp_path / "T"))
    settings = defaults(ingest={"images": [str(folder)], "labels": "none", "likeness": 1.0}).ingest
    _, done = ingest_with_lungs(spark, settings, output)
    rows = {
        row["path"].rpartition("/")[2]: row
        for row in spark.read.schema(LUNGS).parquet(output.table("lungs")).collect()
    }
    assert {*rows} == {*films, "noise.png"}
    assert done.counts["lungs"] == {"found": 4, "unsure": 1}
    assert "lungs found on 4 of 5 images" in done.text
    assert all(rows["noise.png"][name] is None for name in columns(LUNGS)[2:])
    for name, content in films.items():
        row, mask = rows[name], np.asarray(Image.open(io.BytesIO(rows[name]["mask"])))
        assert mask.shape == decode(content).pixels.shape
        assert abs(mask.mean() - row["share"]) < 0.02
        assert 0 <= row["top"] < row["bottom"] <= 1
        assert 0 <= row["left"] < row["right"] <= 1
