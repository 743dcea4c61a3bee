"""Decision tree, random forest and boosted trees as flat arrays of nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from spark_cxr.errors import InputError
from spark_cxr.heads.portable.arrays import check_array, check_range
from spark_cxr.heads.portable.linear import Floats, check_link, link
from spark_cxr.heads.portable.stages import Stage

Integers = NDArray[np.int64]
CELLS = 4_000_000
"""Rows times trees that walk at once: some tens of megabytes."""
DEEPEST = 1000
"""Steps down a tree; MLlib grows none below 30."""
BOOSTING_SLOPE = 2.0
"""Log loss as MLlib's boosting has it: the probability is logistic(2 x margin)."""


@dataclass(frozen=True)
class Trees:
    """Trees whose leaves vote or add to margins; a leaf is its own child."""

    feature: Integers
    threshold: Floats
    """At most this: left."""
    left: Integers
    right: Integers
    value: Floats
    """(nodes, classes): what a film that ends there gets."""
    roots: Integers
    depth: Integers
    """Of the deepest tree, as an array of one."""
    link: str

    def check(self, features: int, classes: int) -> None:
        """Raise ValueError unless it is a head of so many features and classes.

        The walk takes `depth` steps from the roots: all nodes that it can come to are there.
        """
        nodes, trees = self.feature.size, self.roots.size
        for name in ("feature", "left", "right"):
            check_array(name, getattr(self, name), (nodes,), "i")
            check_range(name, getattr(self, name), 0, features if name == "feature" else nodes)
        check_array("threshold", self.threshold, (nodes,), may_be_infinite=True)
        check_array("value", self.value, (nodes, classes))
        check_array("roots", self.roots, (max(1, trees),), "i")
        check_range("roots", self.roots, 0, nodes)
        check_array("depth", self.depth, (1,), "i")
        check_range("depth", self.depth, 0, DEEPEST + 1)
        check_link(self.link)
        if self.link == "share":
            check_range("value", self.value, 0, np.inf)
            if not self.value[self.left == np.arange(nodes)].any(axis=1).all():
                raise ValueError("a leaf without votes")

    def margins(self, features: Floats) -> Floats:
        """Say how much speaks for each class: boosted trees add up, others vote with shares."""
        sums = self._all_sums(features)
        return link(self.link, sums) if self.link == "share" else sums

    def probabilities(self, features: Floats) -> Floats:
        """Score feature vectors, one a row."""
        return link(self.link, self._all_sums(features))

    def _all_sums(self, features: Floats) -> Floats:
        step = max(1, CELLS // len(self.roots))
        parts = [self._sums(features[at : at + step]) for at in range(0, len(features), step)]
        return np.concatenate(parts or [np.empty((0, self.value.shape[1]))])

    def _sums(self, features: Floats) -> Floats:
        """Walk all films down all trees at once, and add up what the leaves say."""
        nodes = np.tile(self.roots, (len(features), 1))
        for _ in range(int(self.depth[0])):
            values = np.take_along_axis(features, self.feature[nodes], axis=1)
            nodes = np.where(values <= self.threshold[nodes], self.left[nodes], self.right[nodes])
        sums = np.zeros((len(features), self.value.shape[1]))
        for leaves in nodes.T:  # tree after tree, as MLlib adds them up
            sums += self.value[leaves]
        return sums


@dataclass(frozen=True)
class _Nodes:
    """The nodes of one tree in the order of their numbers, so that children come by position."""

    columns: pa.Table
    stats: Floats
    prediction: Floats


def read_tree(stages: Sequence[Stage]) -> Trees:
    """Read DecisionTreeClassificationModel."""
    nodes = _nodes(stages[0].table("data"))
    return _join([nodes], [_shares(nodes.stats)], "share")


def read_forest(stages: Sequence[Stage]) -> Trees:
    """Read RandomForestClassificationModel: each tree votes with the shares of its leaf."""
    grown = [_nodes(table) for table in _tables(stages[0])]
    return _join(grown, [_shares(nodes.stats) for nodes in grown], "share")


def read_boosted(stages: Sequence[Stage]) -> Trees:
    """Read GBTClassificationModel, one for each class against the rest, or one for two classes."""
    grown, values = list[_Nodes](), list[Floats]()
    for label, stage in enumerate(stages):
        signs = np.eye(len(stages))[label] if len(stages) > 1 else np.array([-1.0, 1.0])
        for table, weight in zip(_tables(stage), _weights(stage), strict=True):
            nodes = _nodes(table)
            grown.append(nodes)
            values.append(np.outer(nodes.prediction * weight * BOOSTING_SLOPE, signs))
    return _join(grown, values, "logistic")


def _tables(stage: Stage) -> Iterator[pa.Table]:
    """Give the nodes of each tree of an ensemble."""
    table = stage.table("data")
    rows = pa.Table.from_struct_array(table["nodeData"].combine_chunks())
    for number in sorted(pc.unique(table["treeID"]).to_pylist()):
        yield rows.filter(pc.equal(table["treeID"], number))


def _weights(stage: Stage) -> list[float]:
    """Give the weight of each tree; the columns are read by place: Spark 4 renamed them."""
    numbers, _, weights = stage.table("treesMetadata").columns
    found: list[float] = weights.take(pc.sort_indices(numbers)).to_pylist()
    return found


def _nodes(table: pa.Table) -> _Nodes:
    rows = table.sort_by("id")
    if rows["id"].to_pylist() != list(range(rows.num_rows)):
        raise InputError("nodes numbered without a gap", "another order", "Train again")
    stats = np.array(rows["impurityStats"].to_pylist(), dtype=np.float64)
    return _Nodes(rows, stats, rows["prediction"].to_numpy())


def _shares(stats: Floats) -> Floats:
    total = stats.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(stats, total, out=np.zeros_like(stats), where=total != 0))


def _join(grown: Sequence[_Nodes], values: Sequence[Floats], name: str) -> Trees:
    starts = np.cumsum([0, *(nodes.columns.num_rows for nodes in grown)])
    parts = [_arrays(nodes, start) for nodes, start in zip(grown, starts, strict=False)]
    feature, threshold, left, right = (np.concatenate(each) for each in zip(*parts, strict=True))
    roots = np.asarray(starts[:-1], dtype=np.int64)
    depth = np.array([_depth(left, right, roots)])
    return Trees(feature, threshold, left, right, np.concatenate(values), roots, depth, name)


def _arrays(nodes: _Nodes, start: int) -> tuple[Integers, Floats, Integers, Integers]:
    split = nodes.columns["split"].combine_chunks()
    is_inner = nodes.columns["leftChild"].to_numpy() >= 0
    if (split.field("numCategories").to_numpy()[is_inner] != -1).any():
        way_out = "Portable heads take feature vectors of numbers only"
        raise InputError("splits of numbers", "a split of categories", way_out)
    thresholds = np.array(
        [limits[0] if limits else np.inf for limits in split.field(1).to_pylist()], dtype=np.float64
    )
    itself = np.arange(len(is_inner))
    left, right = (
        np.where(is_inner, nodes.columns[side].to_numpy(), itself) + start
        for side in ("leftChild", "rightChild")
    )
    feature = np.where(is_inner, split.field("featureIndex").to_numpy(), 0)
    return feature.astype(np.int64), thresholds, left.astype(np.int64), right.astype(np.int64)


def _depth(left: Integers, right: Integers, roots: Integers) -> int:
    """Count the steps after which every film has come to a leaf."""
    level, depth = roots, 0
    while len(level := level[left[level] != level]):
        level, depth = np.concatenate([left[level], right[level]]), depth + 1
    return depth
