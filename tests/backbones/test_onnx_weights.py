"""Files that an ONNX graph keeps weights in, however their names are written."""

from pathlib import Path

import pytest

from spark_cxr.backbones.graph_file import digest_of
from spark_cxr.backbones.onnx_weights import external_names
from spark_cxr.errors import WeightsError
from tests.tiny_onnx import field, node, pooled, varint, whole

FAR = "../../x"
KEY = field(1, "location")


def tensor_with(entry: bytes) -> bytes:
    return whole(1, 3) + whole(2, 1) + field(8, "w") + field(13, entry) + whole(14, 1)


def graph_with(tensor: bytes) -> bytes:
    return whole(1, 8) + field(7, field(5, tensor))


def in_a_branch(tensor: bytes) -> bytes:
    branch = field(1, "then_branch") + field(6, field(5, tensor)) + whole(20, 5)
    return field(7, field(1, node("If", ["c"], ["y"]) + field(5, branch)))


def in_a_function(tensor: bytes) -> bytes:
    constant = node("Constant", [], ["w"]) + field(5, field(1, "value") + field(5, tensor))
    return field(25, field(1, "own") + field(7, constant))


def longer(data: bytes) -> bytes:
    """Write the length of the key with a byte more than it takes."""
    return data.replace(b"\x0a\x08location", b"\x0a\x88\x00location")


ENTRY = KEY + field(2, FAR)
WAYS = {
    "as usual": graph_with(tensor_with(ENTRY)),
    "value before key": graph_with(tensor_with(field(2, FAR) + KEY)),
    "a length with a byte more": graph_with(
        whole(1, 3) + field(13, longer(ENTRY)) + whole(14, 1) + field(8, "w")
    ),
    "behind another entry": graph_with(
        field(13, field(1, "offset") + field(2, "0")) + tensor_with(ENTRY)
    ),
    "in the second of two graphs": pooled() + graph_with(tensor_with(ENTRY)),
    "two values, of which engines take the last": graph_with(
        tensor_with(KEY + field(2, "w.data") + field(2, FAR))
    ),
    "in a branch": in_a_branch(tensor_with(ENTRY)),
    "in a function": in_a_function(tensor_with(ENTRY)),
    "sparse": field(7, field(15, field(1, tensor_with(ENTRY)))),
    "in a group": field(7, varint(5 << 3 | 3) + field(5, tensor_with(ENTRY)) + varint(5 << 3 | 4)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_name_is_found_however_it_is_written(tmp_path: Path, way: str) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(WAYS[way])
    assert FAR in external_names(path)
    with pytest.raises(
        WeightsError, match=r"^Expected weights beside the network\. Received: x\.onnx with"
    ):
        digest_of(path)


def test_a_name_of_any_length_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    for length in (127, 128, 200, 20_000):
        name = "../" + "x" * (length - 3)
        path.write_bytes(graph_with(tensor_with(KEY + field(2, name))))
        assert external_names(path) == {name}
        with pytest.raises(WeightsError) as caught:
            digest_of(path)
        assert len(str(caught.value)) < 400


def test_a_name_too_long_for_any_disk_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(graph_with(tensor_with(KEY + field(2, "x" * 20_000))))
    with pytest.raises(WeightsError) as caught:
        digest_of(path)
    assert len(str(caught.value)) < 500


def test_words_that_look_like_an_entry_are_none(tmp_path: Path) -> None:
    """In metadata, in weights, and in a name."""
    path = tmp_path / "x.onnx"
    entry = field(13, ENTRY)
    weights = whole(1, 3) + whole(2, 1) + field(9, entry * 3)
    path.write_bytes(pooled() + field(14, ENTRY) + field(6, entry) + graph_with(weights))
    assert external_names(path) == set()


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 9, 14, 20])
def test_a_file_that_is_cut_off_or_no_graph_ends_the_search(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x.onnx"
    whole_graph = graph_with(tensor_with(ENTRY))
    path.write_bytes(whole_graph[: len(whole_graph) - cut] if cut else b"")
    external_names(path)
    path.write_bytes(b"\xff" * 50)
    assert external_names(path) == set()


def test_a_graph_of_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    with path.open("wb") as stream:
        stream.truncate(1 << 31)
    with pytest.raises(
        WeightsError, match=r"^Expected an ONNX graph below 2 GiB.*x\.onnx of 2147483648 bytes"
    ):
        digest_of(path)


def test_weights_of_gigabytes_are_passed_over(tmp_path: Path) -> None:
    """The file has holes in it, and takes no room on the disk."""
    path, size = tmp_path / "x.onnx", 1 << 33
    inner = whole(1, 3) + varint(9 << 3 | 2) + varint(size)
    tail = field(5, tensor_with(ENTRY))
    tensor = varint(5 << 3 | 2) + varint(len(inner) + size) + inner
    head = varint(7 << 3 | 2) + varint(len(tensor) + size + len(tail)) + tensor
    with path.open("wb") as stream:
        stream.write(head)
        stream.seek(size, 1)
        stream.write(tail)
    assert external_names(path) == {FAR}
