"""TensorFlow graphs in sparkdl's terms: names of their elements, freezing, the images' placeholder.

TensorFlow 2 still builds and runs the graphs of TensorFlow 1, through `tf.compat.v1`. It is
imported when a function here is called, not before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from spark_cxr.backbones.keras_backend import without_banner
from spark_cxr.errors import InputError, SetupError

__all__ = [
    "IMAGE_INPUT_PLACEHOLDER_NAME",
    "get_op",
    "get_shape",
    "get_tensor",
    "imageInputPlaceholder",
    "op_name",
    "strip_and_freeze_until",
    "tensor_name",
]

IMAGE_INPUT_PLACEHOLDER_NAME = "sparkdl_image_input"
GONE = {
    "GraphFunction": "Take a Keras network as it is: KerasTransformer, registerKerasImageUDF",
    "IsolatedSession": "Open a tf.compat.v1.Session, and freeze with strip_and_freeze_until",
    "KSessionWrap": "Export the Keras network, and use TFInputGraph.fromSavedModelWithSignature",
    "makeGraphUDF": "Use TFTransformer, or registerKerasImageUDF",
}
"""Names around the sessions that Keras 1 and 2 shared with TensorFlow, and the way out."""


def __getattr__(name: str) -> Any:
    if name in GONE:
        raise SetupError("names that TensorFlow 2 and Keras 3 have a like for", name, GONE[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def import_tensorflow() -> Any:
    """Import TensorFlow 2.

    Raises:
        SetupError: this process does not have it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with without_banner("tensorflow"):
            import tensorflow
    except ImportError as error:
        way_out = "pip install tensorflow-cpu there, or move on to KerasImageFileTransformer"
        expected = "TensorFlow 2, for a TensorFlow graph, on the driver and on all executors"
        raise SetupError(expected, str(error), way_out) from None
    return tensorflow


@contextmanager
def graph_mode() -> Iterator[Any]:
    """Give `tf.compat.v1`, and keep back its warnings that graphs are of the past."""
    v1 = import_tensorflow().compat.v1
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield v1
    finally:
        logger.setLevel(level)


def image_input_placeholder(nChannels: int | None = None) -> Any:
    """Add the placeholder of `TFImageTransformer` to the default graph: any count, any size."""
    with graph_mode() as v1:
        shape = [None, None, None, nChannels]
        return v1.placeholder(v1.float32, shape, name=IMAGE_INPUT_PLACEHOLDER_NAME)


imageInputPlaceholder = image_input_placeholder


# Elements and their names: a tensor, an operation, or the name of either will do.


def op_name(element: Any, graph: Any = None) -> str:
    """Name an operation; if a graph is given, it must be there."""
    if graph is not None:
        return str(get_op(element, graph).name)
    return _name(element).partition(":")[0]


def tensor_name(element: Any, graph: Any = None) -> str:
    """Name a tensor, by default the first that the operation gives."""
    if graph is not None:
        return str(get_tensor(element, graph).name)
    name = _name(element)
    return name if ":" in name else f"{name}:0"


def get_op(element: Any, graph: Any) -> Any:
    """Find the operation in its graph.

    Raises:
        TypeError: the element belongs to another graph, or is none.
        KeyError: the graph has no operation of this name.
    """
    return _of(element, graph).get_operation_by_name(op_name(element))


def get_tensor(element: Any, graph: Any) -> Any:
    """Find the tensor in its graph; raises what `get_op` does."""
    return _of(element, graph).get_tensor_by_name(tensor_name(element))


def get_shape(element: Any, graph: Any) -> list[int]:
    """Give the shape of a tensor, -1 where it is open."""
    return [-1 if size is None else size for size in get_tensor(element, graph).shape.as_list()]


def _name(element: Any) -> str:
    if isinstance(element, str):
        return element
    if hasattr(element, "graph") and hasattr(element, "name"):
        return str(element.name)
    received, way_out = f"{type(element).__name__}", "Give tensor.name"
    raise TypeError(f"Expected a tensor, operation or name. Received: {received}. {way_out}.")


def _of(element: Any, graph: Any) -> Any:
    if not hasattr(graph, "as_graph_def"):
        received = type(graph).__name__
        raise TypeError(f"Expected a tf.Graph. Received: {received}. Give session.graph.")
    if not isinstance(element, str) and getattr(element, "graph", graph) is not graph:
        received = f"{_name(element)} of another"
        raise TypeError(f"Expected an element of this graph. Received: {received}. Give its name.")
    return graph


def strip_and_freeze_until(
    fetches: Sequence[Any], graph: Any, sess: Any = None, return_graph: bool = False
) -> Any:
    """Turn variables into constants, and leave out what does not lead to the fetches.

    Args:
        fetches: Tensors, operations or their names.
        graph: The `tf.Graph` that they are in.
        sess: The session in which its variables have values; not needed without variables.
        return_graph: Whether to give a `tf.Graph`, not its `GraphDef`.

    Raises:
        InputError: a variable has no value.
    """
    names = [op_name(each, graph) for each in fetches]
    with graph_mode() as v1:
        session = sess or v1.Session(graph=graph)
        try:
            graph_def = graph.as_graph_def(add_shapes=True)
            frozen = v1.graph_util.convert_variables_to_constants(session, graph_def, names)
        except v1.errors.FailedPreconditionError as error:
            way_out = "Run the initializer in a session, and give that session as sess"
            raise InputError("variables with values", error.message[:200], way_out) from None
        finally:
            if sess is None:
                session.close()
    return imported(frozen) if return_graph else frozen


def imported(graph_def: Any) -> Any:
    """Make a `tf.Graph` of a `GraphDef`, its names as they are."""
    with graph_mode() as v1:
        graph = v1.Graph()
        with graph.as_default():
            v1.import_graph_def(graph_def, name="")
        return graph
