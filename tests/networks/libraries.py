"""The pixels that the networks' own libraries make of films, beside those of spark_cxr."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import timm
import torchxrayvision as xrv
import transformers
from PIL import Image
from torchvision import transforms

from spark_cxr.backbones.card import Card, read_card
from spark_cxr.images.fit import fitted

CARDS = Path(__file__).resolve().parents[2] / "spark_cxr/backbones/cards"
BICUBIC = transforms.InterpolationMode.BICUBIC
Preprocess = Callable[[np.ndarray], np.ndarray]


# What spark_cxr does


def card(name: str, **changes: object) -> Card:
    return replace(read_card(CARDS / f"{name}.toml"), **changes)


def by_card(given: Card) -> Preprocess:
    """Fit a film, and take it through the arithmetic of a card: (channels, height, width)."""
    fit = given.fit_to(given.size)
    numbers = (given.scale, given.offset, given.mean, given.std)
    scale, offset, mean, std = (np.float32(number) for number in numbers)

    def preprocess(film: np.ndarray) -> np.ndarray:
        levels = fitted(film, fit).astype(np.float32)
        if levels.ndim == 2:
            levels = np.repeat(levels[..., None], given.channels, axis=2)
        return np.moveaxis((levels * scale + offset - mean) / std, 2, 0)

    return preprocess


# What the libraries do


def torchxrayvision(size: int, engine: str = "skimage") -> Preprocess:
    steps = [xrv.datasets.XRayCenterCrop(), xrv.datasets.XRayResizer(size, engine=engine)]
    compose = transforms.Compose(steps)
    return lambda film: compose(xrv.utils.normalize(film, 255)[None])


def of_image(transform: Callable) -> Preprocess:
    return lambda film: np.asarray(transform(Image.fromarray(film).convert("RGB")))


def of_timm(name: str, **changes: object) -> Preprocess:
    network = timm.create_model(name, pretrained=False)
    config = timm.data.resolve_model_data_config(network) | changes
    return of_image(timm.data.create_transform(**config))


def of_open_clip(**changes: object) -> Preprocess:
    defaults = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD}
    transform = open_clip.image_transform(224, is_train=False, **defaults | changes)
    return of_image(transform)


def of_hugging_face(kind: type) -> Preprocess:
    processor = kind(
        size={"shortest_edge": 518},
        crop_size={"height": 518, "width": 518},
        image_mean=[0.5307] * 3,
        image_std=[0.2583] * 3,
    )
    return of_image(lambda image: processor(image, return_tensors="np")["pixel_values"][0])


def of_torchvision(*steps: Callable, mean: tuple, std: tuple) -> Preprocess:
    last = (transforms.ToTensor(), transforms.Normalize(mean=mean, std=std))
    return of_image(transforms.Compose([*steps, *last]))


@functools.cache
def libraries() -> dict[str, Preprocess]:
    """Name the cards, with what each network's own library does."""
    eva_x = (transforms.Resize(256, interpolation=BICUBIC), transforms.CenterCrop(224))
    insight = (transforms.Resize((480, 480), interpolation=BICUBIC),)
    imagenet = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return {
        "torchxrayvision-densenet121-res224": torchxrayvision(224),
        "torchxrayvision-resnet50-res512": torchxrayvision(512),
        "rad-dino": of_hugging_face(transformers.BitImageProcessorPil),
        "biomedclip": of_open_clip(),
        "eva-x": of_torchvision(*eva_x, mean=(0.49185243,) * 3, std=(0.28509309,) * 3),
        "medimageinsight": of_torchvision(*insight, **imagenet),
        "timm-resnet50": of_timm("resnet50"),
        "timm-vit-small-patch16-224": of_timm("vit_small_patch16_224"),
        "timm-convnext-tiny": of_timm("convnext_tiny"),
    }


def rules() -> dict[str, tuple[Preprocess, Card]]:
    """Name what no card uses, with a changed card that says it."""
    densenet = "torchxrayvision-densenet121-res224"
    return {
        "torchxrayvision by cv2": (torchxrayvision(224, "cv2"), card(densenet, resample="area")),
        "open_clip longest": (of_open_clip(resize_mode="longest"), card("biomedclip", fit="pad")),
        "open_clip squash bilinear": (
            of_open_clip(resize_mode="squash", interpolation="bilinear"),
            card("biomedclip", fit="squash", resample="bilinear"),
        ),
        "timm lanczos": (
            of_timm("resnet50", interpolation="lanczos"),
            card("timm-resnet50", resample="lanczos"),
        ),
        "timm 288": (
            of_timm("resnet50", input_size=(3, 288, 288), crop_pct=1.0),
            card("timm-resnet50", size=(288, 288), edge=288),
        ),
        "transformers by torchvision": (
            of_hugging_face(transformers.BitImageProcessor),
            card("rad-dino"),
        ),
    }


def films(folder: str, channels: int) -> dict[str, np.ndarray]:
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    mode = "L" if channels == 1 else "RGB"
    return {path.name: np.asarray(Image.open(path).convert(mode)) for path in paths}


def preprocessing(folder: str) -> dict[str, dict]:
    """Give the largest difference of any number of any film, and the largest number."""
    by_channels = {channels: films(folder, channels) for channels in (1, 3)}
    pairs = {name: (theirs, card(name)) for name, theirs in libraries().items()} | rules()
    found = {}
    for name, (theirs, given) in pairs.items():
        ours, largest, values, grown = by_card(given), 0.0, 0.0, 0.0
        for film in by_channels[given.channels].values():
            expected = theirs(film)
            difference = float(np.abs(expected - ours(film)).max())
            if min(film.shape[:2]) < max(given.size):
                grown = max(grown, difference)
            else:
                largest = max(largest, difference)
            values = max(values, float(np.abs(expected).max()))
        found[name] = {"largest": largest, "largest_of_films_that_grow": grown, "values": values}
    return found
