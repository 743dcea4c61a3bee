"""Names and origins of graphs: what the old library promised, over TensorFlow 2's compat.v1."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spark_cxr.errors import InputError, SetupError
from spark_cxr.sparkdl import tf_graph as tfx
from spark_cxr.sparkdl.tf_graph import imageInputPlaceholder
from spark_cxr.sparkdl.tf_input import TFInputGraph
from spark_cxr.sparkdl.tf_run import frozen_graph, open_session

SIGNATURE = "prediction"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow.*")


@pytest.fixture(scope="module")
def v1():
    with tfx.graph_mode() as found:
        yield found


def weighted(v1, sess):
    """Add y = sum(x * w), where w is a variable that is 1, 2, 3."""
    x = v1.placeholder(v1.float64, [None, 3], name="x")
    w = v1.get_variable("w", initializer=np.array([1.0, 2.0, 3.0]))
    y = v1.reduce_sum(x * w, axis=1, name="y")
    sess.run(w.initializer)
    return x, y


@pytest.fixture
def session(v1):
    with v1.Session(graph=v1.Graph()) as sess:
        yield sess


def answer(graph, feed="x", fetch="y"):
    frozen = frozen_graph(graph.graph_def, [feed], [fetch])
    return [each[0].ravel().tolist() for each in open_session(frozen).outputs([([1.0, 1.0, 2.0],)])]


@pytest.mark.parametrize("index", [0, 1, 17])
def test_names_of_tensors_and_operations_follow_from_each_other(index):
    assert tfx.op_name(f"some:{index}") == "some"
    assert tfx.tensor_name(f"some:{index}") == f"some:{index}"
    assert tfx.tensor_name("some") == "some:0"


def test_elements_are_found_by_tensor_operation_and_name(v1):
    graph = v1.Graph()
    with graph.as_default():
        tensor = v1.constant([[1.0], [2.0]], name="c")
    for element in (tensor, tensor.op, "c", "c:0"):
        assert tfx.get_tensor(element, graph) is tensor
        assert tfx.get_op(element, graph) is tensor.op
        assert (tfx.tensor_name(element, graph), tfx.op_name(element, graph)) == ("c:0", "c")
        assert tfx.get_shape(element, graph) == [2, 1]


@pytest.mark.parametrize("find", [tfx.get_tensor, tfx.get_op])
def test_elements_of_another_graph_are_refused(v1, find):
    with v1.Graph().as_default():
        tensor = v1.constant(1.0, name="c")
    for element in (tensor, tensor.op, "c", "c:0"):
        with pytest.raises((KeyError, TypeError)):
            find(element, v1.Graph())


@pytest.mark.parametrize("wrong", [7, 1.5, None])
def test_what_is_no_element_is_refused(wrong):
    with pytest.raises(TypeError, match="a tensor, operation or name"):
        tfx.op_name(wrong)
    with pytest.raises(TypeError, match="a tensor, operation or name"):
        tfx.tensor_name(wrong)


def test_a_placeholder_of_images_takes_any_size(v1):
    with v1.Graph().as_default():
        tensor = imageInputPlaceholder(nChannels=3)
    assert (tensor.name, tensor.dtype) == ("sparkdl_image_input:0", v1.float32)
    assert tensor.shape.as_list() == [None, None, None, 3]


def test_freezing_makes_constants_of_variables_and_drops_the_rest(v1, session):
    _, y = weighted(v1, session)
    v1.constant(5.0, name="beside")
    frozen = tfx.strip_and_freeze_until([y], session.graph, session)
    ops = {node.op for node in frozen.node}
    assert "beside" not in {node.name for node in frozen.node}
    assert not ops & {"VarHandleOp", "VariableV2"}
    again = tfx.strip_and_freeze_until(["y"], session.graph, session, return_graph=True)
    assert tfx.get_tensor("y", again).dtype == v1.float64


def test_a_variable_without_a_value_is_said(v1, session):
    _, y = weighted(v1, session)
    with pytest.raises(InputError, match="give that session as sess"):
        tfx.strip_and_freeze_until([y], session.graph)


def test_a_graph_comes_from_a_session(v1, session):
    weighted(v1, session)
    graph = TFInputGraph.fromGraph(session.graph, session, ["x"], ["y:0"])
    assert answer(graph) == [[9.0]]
    assert answer(pickle.loads(pickle.dumps(graph))) == [[9.0]]


def test_a_graph_comes_from_a_graph_def(v1, session):
    weighted(v1, session)
    frozen = tfx.strip_and_freeze_until(["y"], session.graph, session)
    assert answer(TFInputGraph.fromGraphDef(frozen, ["x"], ["y"])) == [[9.0]]


def test_a_graph_without_a_signature_translates_nothing(v1, session):
    weighted(v1, session)
    graph = TFInputGraph.fromGraph(session.graph, session, ["x"], ["y"])
    with pytest.raises(InputError, match="fromSavedModelWithSignature"):
        graph.translateInputMapping({"column": "in"})


def signature_of(v1, x, y):
    utils = v1.saved_model.utils
    return v1.saved_model.signature_def_utils.build_signature_def(
        {"in": utils.build_tensor_info(x)}, {"out": utils.build_tensor_info(y)}
    )


def check_signature(graph):
    assert graph.translateInputMapping({"column": "in"}) == {"column": "x:0"}
    assert graph.translateOutputMapping([("out", "made")]) == {"y:0": "made"}
    with pytest.raises(InputError, match="Did you mean out"):
        graph.translateOutputMapping({"ouut": "made"})
    assert answer(graph) == [[9.0]]


def test_a_graph_comes_from_a_saved_model(v1, session, tmp_path):
    x, y = weighted(v1, session)
    builder = v1.saved_model.builder.SavedModelBuilder(str(tmp_path / "saved"))
    signatures = {SIGNATURE: signature_of(v1, x, y)}
    builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
    builder.save()
    folder = str(tmp_path / "saved")
    assert answer(TFInputGraph.fromSavedModel(folder, "serve", ["x"], ["y"])) == [[9.0]]
    check_signature(TFInputGraph.fromSavedModelWithSignature(folder, "serve", SIGNATURE))
    with pytest.raises(InputError, match=f"Did you mean {SIGNATURE}"):
        TFInputGraph.fromSavedModelWithSignature(folder, "serve", "predictio")


def test_a_graph_comes_from_a_checkpoint(v1, session, tmp_path):
    x, y = weighted(v1, session)
    path = v1.train.Saver().save(session, str(tmp_path / "model"), global_step=7)
    meta = v1.train.export_meta_graph()
    meta.signature_def[SIGNATURE].CopyFrom(signature_of(v1, x, y))
    Path(f"{path}.meta").write_bytes(meta.SerializeToString())
    assert answer(TFInputGraph.fromCheckpoint(str(tmp_path), ["x"], ["y"])) == [[9.0]]
    check_signature(TFInputGraph.fromCheckpointWithSignature(str(tmp_path), SIGNATURE))


def test_a_folder_without_a_checkpoint_is_said(tmp_path):
    with pytest.raises(InputError, match="a checkpoint with its graph"):
        TFInputGraph.fromCheckpoint(str(tmp_path), ["x"], ["y"])


def test_a_saved_model_of_keras_3_is_a_graph_too(tmp_path):
    import keras

    numbers = keras.Input((3,), name="numbers")
    dense = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(numbers, dense(numbers))
    dense.set_weights([np.array([[1.0], [2.0], [3.0]], np.float32)])
    model.export(str(tmp_path / "saved"), verbose=False)
    graph = TFInputGraph.fromSavedModelWithSignature(
        str(tmp_path / "saved"), "serve", "serving_default"
    )
    (feed,) = graph.translateInputMapping({"column": "numbers"}).values()
    (fetch,) = graph.translateOutputMapping({"output_0": "made"})
    assert answer(graph, feed, fetch) == [[9.0]]


def test_a_python_function_in_a_graph_is_refused(v1, session):
    x = v1.placeholder(v1.float32, [None], name="x")
    v1.identity(v1.numpy_function(lambda value: value, [x], v1.float32), name="y")
    with pytest.raises(InputError, match=r"a Python function of this process \(PyFunc\)"):
        frozen_graph(session.graph.as_graph_def(), ["x"], ["y"])


def test_a_graph_with_variables_is_refused(v1, session):
    weighted(v1, session)
    with pytest.raises(InputError, match="strip_and_freeze_until"):
        frozen_graph(session.graph.as_graph_def(), ["x"], ["y"])


def test_tensors_that_are_not_there_or_lead_nowhere_are_said(v1, session):
    v1.placeholder(v1.float32, [None], name="x")
    v1.constant(1.0, name="y")
    graph_def = session.graph.as_graph_def()
    with pytest.raises(InputError, match="Received: z"):
        frozen_graph(graph_def, ["x"], ["z"])
    with pytest.raises(InputError, match=r"inputs that outputs depend on\. Received: x"):
        frozen_graph(graph_def, ["x"], ["y"])


@pytest.mark.parametrize("name", sorted(tfx.GONE))
def test_names_of_keras_sessions_are_refused_with_the_way_out(name):
    with pytest.raises(SetupError, match=rf"Received: {name}\. \w+"):
        getattr(tfx, name)
    assert not hasattr(tfx, "GraphFunctions")


def test_the_old_names_import_neither_networks_nor_xgboost():
    names = ("tf_image", "tf_tensor", "horovod", "xgboost", "saved_pipelines")
    modules = ", ".join(f"spark_cxr.sparkdl.{name}" for name in names)
    heavy = "{'tensorflow', 'keras', 'torch', 'xgboost'}"
    code = f"import sys, {modules}\nprint({heavy} & {{m.split('.')[0] for m in sys.modules}})"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "set()\n"


def test_without_tensorflow_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(SetupError, match="pip install tensorflow-cpu"):
        imageInputPlaceholder()
