"""TensorFlow graphs in sparkdl's terms: names of their elements, freezing, where they come from.

TensorFlow 2 still builds and runs the graphs of TensorFlow 1, through `tf.compat.v1`. It is
imported when a function here is called, not before.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spark_cxr.backbones.keras_backend import without_banner
from spark_cxr.errors import InputError, SetupError
from spark_cxr.settings import nearest

__all__ = [
    "IMAGE_INPUT_PLACEHOLDER_NAME",
    "TFInputGraph",
    "get_op",
    "get_shape",
    "get_tensor",
    "imageInputPlaceholder",
    "op_name",
    "strip_and_freeze_until",
    "tensor_name",
]

IMAGE_INPUT_PLACEHOLDER_NAME = "sparkdl_image_input"
Pairs = Mapping[str, str] | Iterable[tuple[str, str]]


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


@dataclass(frozen=True, eq=False)
class TFInputGraph:
    """A frozen graph for `TFTransformer`, with the names that its signature gives to tensors.

    Make it by `fromGraph`, `fromSavedModel` and so on. Without a signature, both mappings are None.
    """

    graph_def: Any = field(repr=False)
    input_tensor_name_from_signature: Mapping[str, str] | None
    output_tensor_name_from_signature: Mapping[str, str] | None

    def translate_input_mapping(self, input_mapping: Pairs) -> dict[str, str]:
        """Turn {column: name in the signature} into {column: name of the tensor}."""
        known = _signature(self.input_tensor_name_from_signature)
        return {column: _known(known, key) for column, key in dict(input_mapping).items()}

    def translate_output_mapping(self, output_mapping: Pairs) -> dict[str, str]:
        """Turn {name in the signature: column} into {name of the tensor: column}."""
        known = _signature(self.output_tensor_name_from_signature)
        return {_known(known, key): column for key, column in dict(output_mapping).items()}

    @classmethod
    def from_graph(
        cls, graph: Any, sess: Any, feed_names: Sequence[Any], fetch_names: Sequence[Any]
    ) -> TFInputGraph:
        """Take a graph and the session in which its variables have values; it stays open."""
        for name in feed_names:
            get_op(name, graph)
        return cls(strip_and_freeze_until(fetch_names, graph, sess), None, None)

    @classmethod
    def from_graph_def(
        cls, graph_def: Any, feed_names: Sequence[Any], fetch_names: Sequence[Any]
    ) -> TFInputGraph:
        """Take a graph without variables, as a `GraphDef`."""
        return cls.from_graph(imported(graph_def), None, feed_names, fetch_names)

    @classmethod
    def from_checkpoint(
        cls, checkpoint_dir: str, feed_names: Sequence[Any], fetch_names: Sequence[Any]
    ) -> TFInputGraph:
        """Take the last checkpoint of a folder, with the `.meta` file that TensorFlow 1 wrote."""
        return _from_checkpoint(checkpoint_dir, (feed_names, fetch_names))

    @classmethod
    def from_checkpoint_with_signature(
        cls, checkpoint_dir: str, signature_def_key: str
    ) -> TFInputGraph:
        """Take the last checkpoint of a folder, tensors by a signature of its `.meta` file."""
        return _from_checkpoint(checkpoint_dir, signature_def_key)

    @classmethod
    def from_saved_model(
        cls,
        saved_model_dir: str,
        tag_set: str,
        feed_names: Sequence[Any],
        fetch_names: Sequence[Any],
    ) -> TFInputGraph:
        """Take the graph of a SavedModel that has these tags, joined by commas ("serve")."""
        return _from_saved_model(saved_model_dir, tag_set, (feed_names, fetch_names))

    @classmethod
    def from_saved_model_with_signature(
        cls, saved_model_dir: str, tag_set: str, signature_def_key: str
    ) -> TFInputGraph:
        """Take a SavedModel, its tensors by a signature ("serving_default")."""
        return _from_saved_model(saved_model_dir, tag_set, signature_def_key)

    translateInputMapping = translate_input_mapping
    translateOutputMapping = translate_output_mapping
    fromGraph = from_graph
    fromGraphDef = from_graph_def
    fromCheckpoint = from_checkpoint
    fromCheckpointWithSignature = from_checkpoint_with_signature
    fromSavedModel = from_saved_model
    fromSavedModelWithSignature = from_saved_model_with_signature


Ends = str | tuple[Sequence[Any], Sequence[Any]]
"""Where a graph begins and ends: a key of its signatures, or names of feeds and fetches."""


def _from_checkpoint(folder: str, ends: Ends) -> TFInputGraph:
    with graph_mode() as v1:
        path = v1.train.latest_checkpoint(str(folder))
        if path is None or not Path(f"{path}.meta").is_file():
            way_out = "Give a folder with checkpoint, .meta, .index and .data files of one Saver"
            raise InputError("a checkpoint with its graph", str(path or folder), way_out)
        meta = v1.MetaGraphDef.FromString(Path(f"{path}.meta").read_bytes())
        with v1.Session(graph=v1.Graph()) as sess:
            v1.train.import_meta_graph(meta, clear_devices=True).restore(sess, path)
            return _input_graph(sess, meta, ends)


def _from_saved_model(folder: str, tags: str, ends: Ends) -> TFInputGraph:
    with graph_mode() as v1, v1.Session(graph=v1.Graph()) as sess:
        meta = v1.saved_model.loader.load(sess, tags.split(","), str(folder))
        return _input_graph(sess, meta, ends)


def _input_graph(sess: Any, meta: Any, ends: Ends) -> TFInputGraph:
    if not isinstance(ends, str):
        return TFInputGraph.from_graph(sess.graph, sess, *ends)
    if ends not in meta.signature_def:
        expected, way_out = "a key of the signatures", nearest(ends, sorted(meta.signature_def))
        raise InputError(expected, ends, way_out)
    signature = meta.signature_def[ends]
    inputs = {key: info.name for key, info in signature.inputs.items()}
    outputs = {key: info.name for key, info in signature.outputs.items()}
    frozen = strip_and_freeze_until(list(outputs.values()), sess.graph, sess)
    return TFInputGraph(frozen, inputs, outputs)


def _signature(known: Mapping[str, str] | None) -> Mapping[str, str]:
    if known is None:
        way_out = "Name tensors, or use fromSavedModelWithSignature"
        raise InputError("a graph that was read with a signature", "one without", way_out)
    return known


def _known(known: Mapping[str, str], key: str) -> str:
    if key not in known:
        raise InputError("a name of the signature", key, nearest(key, sorted(known)))
    return known[key]
