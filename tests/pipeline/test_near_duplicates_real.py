"""Twins across two public sets, beside a plain correlation of every film with every other."""

import hashlib

import numpy as np
import pytest
from PIL import Image, ImageFilter

from spark_cxr.images.decode import decode
from spark_cxr.images.fingerprint import thumbnail
from spark_cxr.output import Output
from spark_cxr.pipeline.near_duplicates import clusters, conflicts, find_twins
from spark_cxr.pipeline.staging import staged
from tests.pipeline.test_near_duplicates import LEAST, table

SURE = 0.95
"""Correlation that no two strangers reach: the most alike of the ten million pairs come to 0.91."""
MEANINGS = {"No_findings": "Normal", "Covid-19": "COVID"}


def relief(path):
    """Shrink a film, and take away what is smooth: its own way, not the product's."""
    small = Image.open(path).convert("L").resize((48, 48), Image.Resampling.BOX)
    smooth = small.filter(ImageFilter.GaussianBlur(4))
    rough = (np.asarray(small, np.float32) - np.asarray(smooth, np.float32)).ravel()
    rough -= rough.mean()
    return rough / (np.linalg.norm(rough) + 1e-6)


def meaning(path):
    return MEANINGS.get(path.parent.name, path.parent.name)


def row(path):
    data = path.read_bytes()
    pixels = decode(data).pixels
    sha, digest = (hashlib.sha256(x).hexdigest() for x in (data, pixels.tobytes()))
    return str(path), sha, digest, thumbnail(pixels), meaning(path), sha


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twins_across_two_sets_are_those_of_a_plain_correlation(spark, shared_data, tmp_path):
    ours = sorted((shared_data / "ozturk").rglob("*.jpg"))
    others = sorted(
        p for c in ("COVID", "Normal") for p in (shared_data / "radiography" / c).rglob("*.jpg")
    )
    alike = np.stack([relief(p) for p in ours]) @ np.stack([relief(p) for p in others]).T
    sure = {(str(ours[i]), str(others[j])) for i, j in zip(*np.nonzero(alike > SURE), strict=True)}
    films = table(spark, [row(path) for path in (*ours, *others)]).persist()
    with staged(Output(str(tmp_path))) as keep:
        found = keep(clusters(keep(find_twins(films, LEAST, keep))))
        cluster = dict(films.join(found, on="sha256").select("path", "cluster_id").collect())
        listed = conflicts(films, found).collect()
    assert len(sure) > 60
    assert {pair for pair in sure if cluster.get(pair[0], "") != cluster.get(pair[1], " ")} == set()
    of = {str(path): meaning(path) for path in (*ours, *others)}
    disputed = {cluster[one] for one, other in sure if of[one] != of[other]}
    assert {r["cluster_id"] for r in listed} == disputed
    assert len(disputed) == 19
