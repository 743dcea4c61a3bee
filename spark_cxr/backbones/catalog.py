"""The networks that turn a film into a vector, one row each.

Nothing here imports keras: the driver looks rows up long before a network is built. Digests are
those that Keras publishes in keras.src.applications (MD5; it has none for MobileNetV2), licences
those of the networks that Keras ported, as its documentation names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from spark_cxr.backbones.card import READERS, Card
from spark_cxr.errors import ConfigError, nearest
from spark_cxr.images.sight import FILM

NORMALISINGS = ("caffe", "tf", "torch", "none", "grey")
"""What Keras calls the ways from grey levels to a network's input; `none` means as they are, and
`grey` is ours: one channel, (x - 127.5) / 64, which has no rounding error in bf16 either."""
_TENSORFLOW = "https://storage.googleapis.com/tensorflow/keras-applications"
_KERAS = "https://storage.googleapis.com/keras-applications"
_KERNELS = "weights_tf_dim_ordering_tf_kernels"
SHIPPED = "CXRNet"
"""The network whose weights are in this package."""
FAKE_CAVEAT = (
    "The features come from the fake engine, a random projection of coarse pixels: "
    "no network has seen these films"
)


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights at its official origin."""

    url: str
    md5: str
    """Empty where the publisher gives none: then the first download is taken as it comes."""

    @property
    def name(self) -> str:
        """Give the file's name, the same in Keras' own cache and on a mirror."""
        return PurePosixPath(self.url).name


@dataclass(frozen=True)
class Embedded:
    """A Keras file inside this package, which is the network and its weights."""

    name: str
    """In the folder `embedded` beside this file."""
    sha256: str
    """Written by `python -m benchmarks.cxrnet.embed FILE.keras`, together with the file."""


@dataclass(frozen=True)
class Backbone:
    """What has to be known of a network before it runs."""

    name: str
    size_hw: tuple[int, int]
    dim: int
    """Length of the vector, features averaged over the image; 0 where only its file knows."""
    engines: tuple[str, ...]
    """What can run it, the preferred one on a CPU first."""
    constructor: str = ""
    """Its name in keras.applications."""
    file: str = ""
    """A user's own file, instead of a constructor."""
    card: Card | None = None
    """What was said of that."""
    embedded: Embedded | None = None
    """The file that ships with spark_cxr, instead of a constructor."""
    normalising: str = "none"
    spatial_layer: str = ""
    """The last layer that still knows where things are: class activation maps stand on it."""
    spatial_shape: tuple[int, int, int] = (0, 0, 0)
    first_centre: float = 0.0
    """Pixels from a film's edge to the middle of where the first cell of these maps looks; 0 where
    only its file knows."""
    cell_step: int = 32
    """Pixels from there to where the next cell looks."""
    weights: PublishedWeights | None = None
    """Without the classifier."""
    top_weights: PublishedWeights | None = None
    """With the classifier for the 1,000 classes of ImageNet."""
    licence: str = ""
    citation: str = ""
    see: str = FILM
    """What of a film it is shown; see `images.sight`."""

    @property
    def is_graph(self) -> bool:
        """Tell a bare graph from layers that Keras knows."""
        return PurePosixPath(self.file).suffix in READERS


def _row(
    name: str,
    normalising: str,
    spatial: tuple[str, int, int, float],
    stem: str,
    md5s: tuple[str, str],
    terms: tuple[str, str],
    side: int = 224,
    notop: str = "_notop",
) -> Backbone:
    layer, cells, dim, first_centre = spatial
    return Backbone(
        name=name,
        size_hw=(side, side),
        dim=dim,
        engines=("openvino", "keras"),
        constructor=name,
        normalising=normalising,
        spatial_layer=layer,
        spatial_shape=(cells, cells, dim),
        first_centre=first_centre,
        weights=PublishedWeights(f"{stem}{notop}.h5", md5s[0]),
        top_weights=PublishedWeights(f"{stem}.h5", md5s[1]),
        licence=terms[0],
        citation=terms[1],
    )


BACKBONES = {
    "fake": Backbone(name="fake", size_hw=(64, 64), dim=128, engines=("fake",)),
    SHIPPED: Backbone(
        name=SHIPPED,
        size_hw=(224, 224),
        dim=256,
        engines=("openvino", "keras"),
        embedded=Embedded(
            "cxrnet.keras", "954e323a3815221c47c7710ee9ed5572238b25ef7ae273d4bc95ea07830d321f"
        ),
        normalising="grey",
        spatial_layer="maps",
        spatial_shape=(13, 13, 256),
        first_centre=15.5,
        cell_step=16,
        licence="Apache-2.0 (trained from weights under MIT)",
        citation="spark_cxr; the body is SqueezeNet 1.1, Iandola et al., arXiv:1602.07360",
    ),
    "ResNet50": _row(
        "ResNet50",
        "caffe",
        ("conv5_block3_out", 7, 2048, 0.5),
        f"{_TENSORFLOW}/resnet/resnet50_{_KERNELS}",
        ("4d473c1dd8becc155b73f8504c6f6626", "2cb95161c43110f7111970584f804107"),
        ("MIT", "He et al., Deep Residual Learning for Image Recognition, arXiv:1512.03385"),
    ),
    "InceptionV3": _row(
        "InceptionV3",
        "tf",
        ("mixed10", 8, 2048, 37.5),
        f"{_TENSORFLOW}/inception_v3/inception_v3_{_KERNELS}",
        ("bcbd6486424b2319ff4ef7d526e38f63", "9a0d58056eeedaa3f26cb7ebd46da564"),
        ("Apache-2.0", "Szegedy et al., Rethinking the Inception Architecture, arXiv:1512.00567"),
        side=299,
    ),
    "VGG16": _row(
        "VGG16",
        "caffe",
        ("block5_pool", 7, 512, 16.0),
        f"{_TENSORFLOW}/vgg16/vgg16_{_KERNELS}",
        ("6d6bbae143d832006294945121d1f1fc", "64373286793e3c8b2b4e3219cbf3544b"),
        ("CC-BY-4.0", "Simonyan & Zisserman, Very Deep Convolutional Networks, arXiv:1409.1556"),
    ),
    "VGG19": _row(
        "VGG19",
        "caffe",
        ("block5_pool", 7, 512, 16.0),
        f"{_TENSORFLOW}/vgg19/vgg19_{_KERNELS}",
        ("253f8cb515780f3b799900260a226db6", "cbe5617147190e668d6c5d5026f83318"),
        ("CC-BY-4.0", "Simonyan & Zisserman, Very Deep Convolutional Networks, arXiv:1409.1556"),
    ),
    "ResNet152V2": _row(
        "ResNet152V2",
        "tf",
        ("post_relu", 7, 2048, 0.5),
        f"{_TENSORFLOW}/resnet/resnet152v2_{_KERNELS}",
        ("ed17cf2e0169df9d443503ef94b23b33", "a49b44d1979771252814e80f8ec446f9"),
        (
            "BSD-3-Clause",
            "He et al., Identity Mappings in Residual Networks, arXiv:1603.05027",
        ),
    ),
    "Xception": _row(
        "Xception",
        "tf",
        ("block14_sepconv2_act", 10, 2048, 5.5),
        f"{_TENSORFLOW}/xception/xception_{_KERNELS}",
        ("b0042744bf5b25fce3cb969f33bebb97", "0a58e3b7378bc2990ea3b43d5981f1f6"),
        ("MIT", "Chollet, Xception: Depthwise Separable Convolutions, arXiv:1610.02357"),
        side=299,
    ),
    "DenseNet121": _row(
        "DenseNet121",
        "torch",
        ("relu", 7, 1024, 14.5),
        f"{_TENSORFLOW}/densenet/densenet121_{_KERNELS}",
        ("30ee3e1110167f948a6b9946edeeb738", "9d60b8095a5708f2dcce2bca79d332c7"),
        ("BSD-3-Clause", "Huang et al., Densely Connected Networks, arXiv:1608.06993"),
    ),
    "EfficientNetB0": _row(
        "EfficientNetB0",
        "none",
        ("top_activation", 7, 1280, 31.5),
        f"{_KERAS}/efficientnetb0",
        ("50bc09e76180e00e4465e1a485ddc09d", "902e53a9f72be733fc0bcb005b3ebbac"),
        ("Apache-2.0", "Tan & Le, EfficientNet: Rethinking Model Scaling, arXiv:1905.11946"),
    ),
    "MobileNetV2": _row(
        "MobileNetV2",
        "tf",
        ("out_relu", 7, 1280, 31.5),
        f"{_TENSORFLOW}/mobilenet_v2/mobilenet_v2_{_KERNELS}_1.0_224",
        ("", ""),
        ("Apache-2.0", "Sandler et al., Inverted Residuals, arXiv:1801.04381"),
        notop="_no_top",
    ),
}


@dataclass(frozen=True)
class KnownFile:
    """What a Keras file that is no network of keras.applications does not say of itself."""

    normalising: str
    licence: str
    citation: str


KNOWN_FILES: dict[str, KnownFile] = {
    "9f1009d19f7b8adeae04fccbe068ad3c5efb0c1deeac6fc9b8ab1440a97b190e": KnownFile(
        "caffe",
        "MIT",
        "Iandola et al., SqueezeNet (version 1.1, ImageNet), arXiv:1602.07360",
    ),
}
"""By the SHA-256 of the file."""


def names() -> tuple[str, ...]:
    """Give the names of all networks."""
    return tuple(BACKBONES)


def get(name: str) -> Backbone:
    """Find a network by name."""
    if name not in BACKBONES:
        way_out = f"{nearest(name, names())} Or give a FILE.keras or FILE.onnx of your own"
        raise ConfigError("features.backbone by name", name, way_out)
    return BACKBONES[name]
