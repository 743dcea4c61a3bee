"""Run a frozen TensorFlow graph on a worker: in batches, inputs of one shape together.

The graph travels as bytes with the column function; each Python worker opens one session for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spark_cxr.errors import InputError
from spark_cxr.sparkdl.keras_network import BATCH, lots
from spark_cxr.sparkdl.tf_graph import get_tensor, graph_mode, imported, op_name, tensor_name

BOUND = {
    "PyFunc": "a Python function of this process",
    "EagerPyFunc": "a Python function of this process",
    "PyFuncStateless": "a Python function of this process",
    "VariableV2": "a variable",
    "Variable": "a variable",
    "VarHandleOp": "a variable",
    "HashTableV2": "a table that an initializer fills",
    "MutableHashTableV2": "a table that an initializer fills",
}
"""Operations that give nothing in another process, and what they stand for."""
Rows = Sequence[Sequence[Any] | None]
Outputs = list[NDArray[Any]]


@dataclass(frozen=True)
class FrozenGraph:
    """A graph of constants by its bytes, and which tensors of it are fed and fetched."""

    content: bytes = field(repr=False)
    feeds: tuple[str, ...]
    fetches: tuple[str, ...]
    threads: int


@dataclass(frozen=True)
class OutputTensor:
    """What the driver can say of an output before the graph runs."""

    name: str
    dtype: str
    rank: int | None
    """None: known only when it runs."""


def frozen_graph(
    graph_def: Any, feeds: Sequence[Any], fetches: Sequence[Any], threads: int = 1
) -> FrozenGraph:
    """Take what of a graph leads to the fetches, for other processes.

    Raises:
        InputError: it has an operation that other processes cannot run, or lacks a tensor.
    """
    names = {op_name(each) for each in (*feeds, *fetches)}
    if missing := names - {node.name for node in graph_def.node}:
        way_out = "Name tensors of this graph"
        raise InputError("tensors that are in the graph", ", ".join(sorted(missing)), way_out)
    with graph_mode() as v1:
        used = v1.graph_util.extract_sub_graph(graph_def, [op_name(each) for each in fetches])
    _refuse_bound(used)
    if unused := {op_name(each) for each in feeds} - {node.name for node in used.node}:
        way_out = "Name an input that leads to the output"
        raise InputError("inputs that outputs depend on", ", ".join(sorted(unused)), way_out)
    return FrozenGraph(
        used.SerializeToString(),
        tuple(map(tensor_name, feeds)),
        tuple(map(tensor_name, fetches)),
        threads,
    )


def _refuse_bound(graph_def: Any) -> None:
    functions = (node for each in graph_def.library.function for node in each.node_def)
    for node in (*graph_def.node, *functions):
        if node.op in BOUND:
            way_out = "Freeze it with strip_and_freeze_until, and leave such parts out"
            received = f"{node.name}, which is {BOUND[node.op]} ({node.op})"
            raise InputError("a graph of constants alone, for the executors", received, way_out)


def output_tensors(frozen: FrozenGraph) -> list[OutputTensor]:
    """Say what types and how many dimensions the outputs have."""
    graph = _graph(frozen)
    tensors = [get_tensor(name, graph) for name in frozen.fetches]
    return [
        OutputTensor(each.name, each.dtype.base_dtype.name, each.shape.rank) for each in tensors
    ]


def _graph(frozen: FrozenGraph) -> Any:
    with graph_mode() as v1:
        return imported(v1.GraphDef.FromString(frozen.content))


@lru_cache(maxsize=3)
def open_session(frozen: FrozenGraph) -> GraphSession:
    """Open the session, once for each Python worker."""
    return GraphSession(frozen)


class GraphSession:
    """A session with its graph, which turns rows of inputs into rows of outputs."""

    def __init__(self, frozen: FrozenGraph) -> None:
        """Open it, with as many threads as a task has cores."""
        graph = _graph(frozen)
        with graph_mode() as v1:
            config = v1.ConfigProto(
                intra_op_parallelism_threads=frozen.threads,
                inter_op_parallelism_threads=1,
                use_per_session_threads=True,
            )
            self._session = v1.Session(graph=graph, config=config)
        self._feeds = [get_tensor(name, graph) for name in frozen.feeds]
        self._fetches = list(frozen.fetches)
        first = [each.shape[0] if each.shape.rank else None for each in self._feeds]
        self._at_once = 1 if 1 in first else BATCH

    def outputs(self, rows: Rows) -> Iterator[Outputs | None]:
        """Run rows, each with one value for each input; None keeps its place.

        Raises:
            InputError: the graph does not take the values, or gives no row for each of them.
        """
        for start in range(0, len(rows), BATCH):
            inputs = [row and self._arrays(row) for row in rows[start : start + BATCH]]
            found: list[Outputs | None] = [None] * len(inputs)
            for places in self._lots(inputs):
                lot = [inputs[place] or [] for place in places]
                for place, outputs in zip(places, self._run(lot), strict=True):
                    found[place] = outputs
            yield from found

    def _arrays(self, row: Sequence[Any]) -> list[NDArray[Any]]:
        kinds = [each.dtype.base_dtype.as_numpy_dtype for each in self._feeds]
        return [dense(value, kind) for value, kind in zip(row, kinds, strict=True)]

    def _lots(self, inputs: Sequence[Sequence[NDArray[Any]] | None]) -> Iterator[list[int]]:
        """Put inputs of equal shapes together."""
        shapes = [row if row is None else tuple(each.shape for each in row) for row in inputs]
        for places in lots(shapes):
            for start in range(0, len(places), self._at_once):
                yield places[start : start + self._at_once]

    def _run(self, lot: Sequence[Sequence[NDArray[Any]]]) -> Iterator[Outputs]:
        stacked = [np.stack(values) for values in zip(*lot, strict=True)]
        for tensor, array in zip(self._feeds, stacked, strict=True):
            if not tensor.shape.is_compatible_with(array.shape):
                expected = f"rows of shape {tuple(tensor.shape)[1:]} for {tensor.name}"
                raise InputError(expected, str(array.shape[1:]), "Reshape them")
        outputs = self._session.run(self._fetches, dict(zip(self._feeds, stacked, strict=True)))
        for name, array in zip(self._fetches, outputs, strict=True):
            if np.ndim(array) == 0 or len(array) != len(lot):
                raise not_by_row(name, f"{np.shape(array)} for {len(lot)} rows")
        yield from (list(each) for each in zip(*outputs, strict=True))


def not_by_row(name: str, received: str) -> InputError:
    """Say that an output mixes rows: which of them are together, nobody can rely on."""
    expected = f"a first dimension of {name} that counts rows, as of the inputs"
    return InputError(expected, received, "Let the graph keep the rows apart")


def dense(value: Any, kind: Any) -> NDArray[Any]:
    """Make one array of arrays within arrays, as Spark hands them over."""
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        return np.stack([dense(each, kind) for each in value]) if len(value) else value.astype(kind)
    if isinstance(value, bytearray):  # else an array of its bytes
        value = bytes(value)
    return np.asarray(value, kind)
