"""`TFInputGraph`: where a graph for `TFTransformer` comes from, and what its signature says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spark_cxr.errors import InputError, nearest
from spark_cxr.sparkdl.tf_graph import get_op, graph_mode, imported, strip_and_freeze_until

__all__ = ["TFInputGraph"]

Pairs = Mapping[str, str] | Iterable[tuple[str, str]]


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
