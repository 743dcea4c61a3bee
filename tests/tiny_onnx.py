"""Small ONNX graphs, written byte by byte: no package is needed to make them."""

import numpy as np

INT, INTS = 2, 7


def varint(number):
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def whole(number, value):
    return varint(number << 3) + varint(value)


def field(number, value):
    data = value.encode() if isinstance(value, str) else bytes(value)
    return varint(number << 3 | 2) + varint(len(data)) + data


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + whole(3, value) + whole(20, INT)
    return field(1, name) + b"".join(whole(8, each) for each in value) + whole(20, INTS)


def node(kind, inputs, outputs, domain="", **attributes):
    parts = [field(1, each) for each in inputs] + [field(2, each) for each in outputs]
    parts += [field(4, kind), *(field(5, attribute(*each)) for each in attributes.items())]
    return b"".join([*parts, *([field(7, domain)] if domain else [])])


def tensor(name, array):
    array = np.asarray(array)
    kind = {"f": 1, "i": 7}[array.dtype.kind]
    data = array.astype({1: "<f4", 7: "<i8"}[kind]).tobytes()
    dims = b"".join(whole(1, side) for side in array.shape)
    return dims + whole(2, kind) + field(8, name) + field(9, data)


def external(name, shape, location):
    dims = b"".join(whole(1, side) for side in shape)
    entry = field(1, "location") + field(2, location)
    return dims + whole(2, 1) + field(8, name) + field(13, entry) + whole(14, 1)


def value(name, shape):
    """Sides that are words are open."""
    sides = (whole(1, side) if isinstance(side, int) else field(2, side) for side in shape)
    dims = b"".join(field(1, side) for side in sides)
    return field(1, name) + field(2, field(1, whole(1, 1) + field(2, dims)))


def model(nodes, tensors, inputs, outputs):
    parts = [field(1, each) for each in nodes] + [field(2, "tiny")]
    parts += [field(5, each) for each in tensors]
    parts += [field(11, value(*each)) for each in inputs]
    parts += [field(12, value(*each)) for each in outputs]
    opset = field(8, field(1, "") + whole(2, 17))
    return whole(1, 8) + opset + field(7, b"".join(parts))


def kernel(channels=3, dim=5, side=4):
    return np.random.default_rng(7).normal(0, 0.2, (dim, channels, side, side)).astype(np.float32)


def pooled(channels=3, size=16, batch="n", weights=None, inside=False):
    """A convolution of step 4, ReLU and the mean: outputs `vector` and `maps`.

    With `inside` the one output is a classifier behind them.
    """
    weights = kernel(channels) if weights is None else weights
    maps = size if isinstance(size, str) else size // 4
    nodes = [
        node("Conv", ["image", "w"], ["c"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Relu", ["c"], ["maps"]),
        node("GlobalAveragePool", ["maps"], ["mean"]),
        node("Flatten", ["mean"], ["vector"], axis=1),
    ]
    tensors = [tensor("w", weights)]
    outputs = [("vector", [batch, 5]), ("maps", [batch, 5, maps, maps])]
    if inside:
        nodes.append(node("MatMul", ["vector", "v"], ["logits"]))
        tensors.append(tensor("v", np.eye(5, 2, dtype=np.float32)))
        outputs = [("logits", [batch, 2])]
    return model(nodes, tensors, [("image", [batch, channels, size, size])], outputs)


def tokens(size=16, registers=1, patch=None):
    """The maps as tokens behind a class token, as a transformer has them: output `tokens`.

    The class token is the mean of the patches, or the one patch of that number.
    """
    count = (size // 4) ** 2
    first = node("ReduceMean", ["patches"], ["first"], axes=[1], keepdims=1)
    if patch is not None:
        first = node("Gather", ["patches", "number"], ["first"], axis=1)
    nodes = [
        node("Conv", ["image", "w"], ["c"], kernel_shape=[4, 4], strides=[4, 4]),
        node("Reshape", ["c", "shape"], ["flat"]),
        node("Transpose", ["flat"], ["patches"], perm=[0, 2, 1]),
        first,
        node("Concat", [*["first"] * registers, "patches"], ["tokens"], axis=1),
    ]
    tensors = [tensor("w", kernel()), tensor("shape", np.array([0, 5, count], np.int64))]
    tensors += [] if patch is None else [tensor("number", np.array([patch], np.int64))]
    return model(
        nodes, tensors, [("image", ["n", 3, size, size])], [("tokens", ["n", registers + count, 5])]
    )


def by_hand(films, scale, mean, std, weights=None):
    """What `pooled` makes of films (n, height, width, channels): vectors and maps."""
    weights = kernel(films.shape[-1]) if weights is None else weights
    levels = (films.astype(np.float64) * scale - np.asarray(mean)) / np.asarray(std)
    n, height, width, channels = films.shape
    parts = levels.reshape(n, height // 4, 4, width // 4, 4, channels)
    maps = np.einsum("nhiwjc,dcij->ndhw", parts, weights.astype(np.float64))
    maps = np.maximum(maps, 0)
    return maps.mean(axis=(2, 3)), maps
