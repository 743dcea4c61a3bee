"""Films that are one film: by bytes, by pixels, by looks; and the groups that keep them together.

Bytes and pixels are hash aggregations. Looks take two steps, because hashes alone cannot tell
chest films apart: hashes propose pairs through equal pieces (a hash join, no cross join), and the
thumbnails of each proposed pair are compared (`images.likeness`).

Growth: each distinct picture has 24 pieces of hash, and 24 more without its rim, so the join reads
48 rows for it. It meets a small but fixed share of all pairs, and compares each by two bit counts,
without Python; about 1 pair in 12,000 goes on to Python. So the time is linear at first and becomes
quadratic: 12,500, 25,000, 50,000 and 100,000 films, blends of real ones, took 24, 41, 90 and 288 s
on two cores, which is 1.7, 2.2 and 3.2 times as long for twice as many.
Copies do not add to it: only distinct hashes are joined, and a copy is compared with the first of
its kind alone, so n copies make n - 1 pairs. Nothing comes to the driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from spark_cxr.images.fingerprint import BITS, bands, hashes, unpacked
from spark_cxr.images.likeness import VARIANTS, closer, likeness, variant
from spark_cxr.pipeline.staging import Keep
from spark_cxr.schemas import (
    CLUSTERS,
    CONFLICTS,
    GROUP,
    IMAGES,
    LABEL,
    PATH,
    SHA256,
    TWINS,
    columns,
)

COMPONENTS = "member string, component string"
PIXELS = "pixels_sha256"
LOOKS = "looks"
EXACT = 1.0
"""From this likeness on only equal pixels are twins."""
FAR = 24
"""Bits of 128 up to which a pair is proposed. A little further out strangers are so many that
comparing each would take longer than reading the films."""
CLOSER = 0.06
"""Share of the side without which each picture is hashed once more: its crops come near to that.
So all centred crops by up to 9 % are proposed, for a seventh more pairs; and those from one side or
corner by up to 5 % and 3 %."""
_HASHED = "path string, even bigint, odd bigint, even_closer bigint, odd_closer bigint"
_BANDED = "even bigint, odd bigint, even_shown bigint, odd_shown bigint, band array<bigint>"
_PAIR = ("even", "odd")
_ALIKE = "path_a string, path_b string, kind string, distance int, likeness double"
Batches = Iterator[pa.RecordBatch]


def components(pairs: DataFrame, one: str, other: str) -> DataFrame:
    """Name each member of a pair by the smallest member that it hangs together with.

    One task does it, not the driver: its memory grows with the members of pairs (about 250 bytes
    each, so a million fit into any executor) and its time in proportion to the pairs. Rounds of
    joins would shuffle all of them several times for tables that are small.
    """
    chosen = pairs.select(one, other).repartition(1)
    return chosen.mapInArrow(_joined_batches, COMPONENTS)


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Map each member of a pair to the smallest member of its component."""
    parent: dict[str, str] = {}
    for one, other in pairs:
        a, b = _root(parent, one), _root(parent, other)
        # The smallest stays on top, so that neither order nor direction of the pairs matters.
        parent[max(a, b)] = min(a, b)
    return {member: _root(parent, member) for member in parent}


def _root(parent: dict[str, str], member: str) -> str:
    root = member
    while parent.setdefault(root, root) != root:
        root = parent[root]
    while parent[member] != root:
        parent[member], member = root, parent[member]
    return root


def _joined_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    pairs = (
        pair
        for batch in batches
        for pair in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
    )
    found = joined(pairs)
    columns = [pa.array(found.keys(), pa.string()), pa.array(found.values(), pa.string())]
    yield pa.RecordBatch.from_arrays(columns, names=["member", "component"])


def find_twins(images: DataFrame, least: float, keep: Keep) -> DataFrame:
    """Find the pairs of films that are one (`schemas.TWINS`), each beside the first of its kind.

    `least` is the likeness from which two pictures are one film; 1 leaves it at equal pixels.
    A picture without any detail is no twin of another by looks. `images` are read several times,
    and so are the tables that go through `keep`.
    """
    by_bytes = _copies(images, SHA256, "bytes")
    files = _firsts(images, SHA256)
    by_pixels = _copies(files, PIXELS, "pixels")
    found = by_bytes.unionByName(by_pixels)
    if least < EXACT:
        pictures = _firsts(files, PIXELS).where(F.col(LOOKS).isNotNull())
        proposed = keep(_proposed(keep(pictures.mapInArrow(_hash, _HASHED))))
        found = found.unionByName(_alike(proposed, pictures, least))
    digests = images.select(PATH, SHA256)
    for side in ("a", "b"):
        named = digests.toDF(f"path_{side}", f"sha256_{side}")
        found = found.join(named, on=f"path_{side}", how="inner")
    return found.select(*columns(TWINS))


def clusters(twins: DataFrame) -> DataFrame:
    """Gather twins, and the twins of twins (`schemas.CLUSTERS`)."""
    found = components(twins, "sha256_a", "sha256_b")
    return found.toDF(*columns(CLUSTERS))


def regroup(images: DataFrame, twins: DataFrame) -> DataFrame:
    """Widen `group_id` until no patient and no twin is in two groups (`schemas.IMAGES`).

    A widened group has the smallest name of those that it joins, so neither order nor
    partitioning matters.
    """
    groups = images.select(PATH, GROUP)
    pairs = twins.select("path_a", "path_b")
    for side in ("a", "b"):
        named = groups.toDF(f"path_{side}", f"group_{side}")
        pairs = pairs.join(named, on=f"path_{side}", how="inner")
    crossing = pairs.where(F.col("group_a") != F.col("group_b"))
    wide = components(crossing, "group_a", "group_b").toDF(GROUP, "_wide")
    widened = images.join(wide, on=GROUP, how="left")
    group = F.coalesce("_wide", GROUP)
    return widened.withColumn(GROUP, group).select(*columns(IMAGES))


def conflicts(
    images: DataFrame, found: DataFrame, meaning: Mapping[str, str] | None = None
) -> DataFrame:
    """List twins with different labels (`schemas.CONFLICTS`), from `clusters`.

    Each film of a cluster with several labels is there, beside the first that has another label:
    as many rows as films, not as pairs. `meaning` renames labels first, so that sets that write
    the same finding differently do not contradict each other.
    """
    # No coalesce on a map that has nothing to say: an empty one would have no type.
    names = [F.lit(word) for pair in (meaning or {}).items() for word in pair]
    label = F.coalesce(F.create_map(*names)[F.col(LABEL)], LABEL) if names else F.col(LABEL)
    labelled = images.where(F.col(LABEL).isNotNull()).join(found, on=SHA256, how="inner")
    films = labelled.select("cluster_id", label.alias("meant"), PATH, LABEL, "source")
    first = F.min(F.struct(PATH, LABEL, "source"))
    kinds = films.groupBy("cluster_id", "meant").agg(first.alias("first"))
    ends = kinds.groupBy("cluster_id").agg(
        F.min_by("meant", "first.path").alias("meant_1"),
        F.array_sort(F.collect_list("first")).alias("firsts"),
    )
    several = ends.where(F.size("firsts") > 1)
    beside = films.join(several, on="cluster_id", how="inner")
    other = F.when(F.col("meant") == F.col("meant_1"), F.col("firsts")[1])
    film = (PATH, LABEL, "source")
    pair = _in_order(F.struct(*film), other.otherwise(F.col("firsts")[0]), film)
    return beside.select("cluster_id", *pair).distinct().select(*columns(CONFLICTS))


def _in_order(one: Column, other: Column, names: Sequence[str]) -> list[Column]:
    """Give the smaller of two structs as a, the larger as b, so that a pair is there once."""
    ends = {"a": F.least(one, other), "b": F.greatest(one, other)}
    return [end[name].alias(f"{name}_{side}") for side, end in ends.items() for name in names]


def _firsts(films: DataFrame, key: str) -> DataFrame:
    """Take of all films with equal keys the one with the smallest path."""
    first = films.groupBy(key).agg(F.min(PATH).alias(PATH))
    return films.select(PATH, SHA256, PIXELS, LOOKS).join(
        first.select(PATH), on=PATH, how="left_semi"
    )


def _copies(films: DataFrame, key: str, kind: str) -> DataFrame:
    """Put each film with an equal key beside the first of them."""
    first = films.groupBy(key).agg(F.min(PATH).alias("path_a"))
    pairs = films.select(key, F.col(PATH).alias("path_b")).join(first, on=key, how="inner")
    return pairs.where(F.col("path_a") != F.col("path_b")).select(
        "path_a",
        "path_b",
        F.lit(kind).alias("kind"),
        F.lit(0).alias("distance"),
        F.lit(EXACT).alias("likeness"),
    )


def _proposed(hashed: DataFrame) -> DataFrame:
    """Propose pairs of pictures whose hashes are near: path_a, path_b, kind, distance."""
    shown = F.min_by(F.struct("even_closer", "odd_closer"), PATH).alias("shown")
    firsts = hashed.groupBy(*_PAIR).agg(F.min(PATH).alias("path_a"), shown)
    equal = hashed.join(firsts, on=[*_PAIR], how="inner").select(
        "path_a", F.col(PATH).alias("path_b"), F.lit(VARIANTS[0]).alias("kind"), F.lit(0)
    )
    near = _near(firsts.select(*_PAIR, "shown.*"))
    for side in ("a", "b"):
        named = firsts.select(*_PAIR, "path_a").toDF(f"even_{side}", f"odd_{side}", f"path_{side}")
        near = near.join(named, on=[f"even_{side}", f"odd_{side}"], how="inner")
    pairs = near.select("path_a", "path_b", "kind", "distance")
    return pairs.union(equal.where(F.col("path_a") != F.col("path_b")))


def _near(firsts: DataFrame) -> DataFrame:
    """Join distinct hashes on equal pieces, and keep the pairs that some variant brings near.

    Each picture meets the others as they are, and once more as their rims leave them.
    """
    itself = [F.col(name).alias(f"{name}_shown") for name in _PAIR]
    whole = firsts.select(*_PAIR, *itself).mapInArrow(_cut, _BANDED)
    shown = whole.unionByName(firsts.mapInArrow(_cut, _BANDED))
    band = F.explode("band").alias("band")
    one = whole.select(band, *_PAIR).toDF("band", "even_a", "odd_a")
    names = ("band", "even_b", "odd_b", "even_shown", "odd_shown")
    other = shown.select(band, *_PAIR, "even_shown", "odd_shown").toDF(*names)
    is_one = (F.col("even_a") == F.col("even_b")) & (F.col("odd_a") == F.col("odd_b"))
    met = one.join(other, on="band", how="inner").where(~is_one)
    even = F.bit_count(F.col("even_a").bitwiseXOR(F.col("even_shown")))
    odd = F.bit_count(F.col("odd_a").bitwiseXOR(F.col("odd_shown")))
    # In the order of VARIANTS: the negative turns all bits, the mirror image the odd ones.
    turns = (even + odd, 2 * BITS - even - odd, even + BITS - odd, BITS - even + odd)
    least = F.least(*turns)
    kind = F.coalesce(
        *(F.when(turn == least, F.lit(name)) for turn, name in zip(turns, VARIANTS, strict=True))
    )
    one_end, other_end = (
        F.struct(*(F.col(f"{n}_{s}").alias(n) for n in _PAIR)) for s in ("a", "b")
    )
    near = met.where(least <= FAR).select(
        *_in_order(one_end, other_end, _PAIR),
        kind.alias("kind"),
        least.cast("int").alias("distance"),
    )
    return near.groupBy("even_a", "odd_a", "even_b", "odd_b").agg(
        F.min_by("kind", F.struct("distance", "kind")).alias("kind"),
        F.min("distance").alias("distance"),
    )


def _alike(proposed: DataFrame, pictures: DataFrame, least: float) -> DataFrame:
    """Lay the pictures of each proposed pair over each other, and keep those that are alike."""
    for side in ("a", "b"):
        named = pictures.select(F.col(PATH).alias(f"path_{side}"), F.col(LOOKS).alias(side))
        proposed = proposed.join(named, on=f"path_{side}", how="inner")
    alike = proposed.mapInArrow(_compare, _ALIKE)
    return alike.where(F.col("likeness") >= least)


def _hash(batches: Batches) -> Batches:
    names = columns(_HASHED)
    for batch in batches:
        films = unpacked(batch[LOOKS].to_pylist())
        pairs = np.hstack((hashes(films), hashes(closer(films, CLOSER))))
        paths = batch[PATH].cast(pa.string())
        yield pa.RecordBatch.from_arrays([paths, *map(pa.array, pairs.T)], names=names)


def _cut(batches: Batches) -> Batches:
    """Cut the hashes of what is shown of a picture, the last two columns, into pieces."""
    names = columns(_BANDED)
    for batch in batches:
        pieces = bands(np.stack([each.to_numpy() for each in batch.columns[2:]], axis=1))
        column = pa.array(list(pieces), pa.list_(pa.int64()))
        yield pa.RecordBatch.from_arrays([*batch.columns, column], names=names)


def _compare(batches: Batches) -> Batches:
    for batch in batches:
        ones, others = (unpacked(batch[side].to_pylist()) for side in ("a", "b"))
        kinds = np.array(batch["kind"].to_pylist(), object)
        for kind in VARIANTS:
            others[kinds == kind] = variant(others[kinds == kind], kind)
        scores = pa.array(likeness(ones, others).astype(np.float64))
        names = ["path_a", "path_b", "kind", "distance"]
        arrays = [*(batch[name] for name in names), scores]
        yield pa.RecordBatch.from_arrays(arrays, names=[*names, "likeness"])
