"""Image files → predictions in plain Python: no Spark, no Java."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spark_cxr.backbones import catalog, network
from spark_cxr.backbones.cache import cache_dir, digest, locked, whole
from spark_cxr.backbones.engines.plan import INT8, Plan
from spark_cxr.backbones.network import PREPROCESSING, Network
from spark_cxr.backbones.weights import Weights
from spark_cxr.errors import InputError
from spark_cxr.heads.portable import FindingHeads, check_head, unpack
from spark_cxr.images.decode import decode
from spark_cxr.images.film import Limits, Pixels
from spark_cxr.images.film_pass import Content
from spark_cxr.images.heat import on_part
from spark_cxr.images.sight import FILM
from spark_cxr.model import reference
from spark_cxr.model.attribution import make_attribution
from spark_cxr.model.decision import NO_DECISION
from spark_cxr.model.explanation import Explanation, explanations, place_of, target_of
from spark_cxr.model.manifest import (
    ARRAYS,
    REFERENCE,
    TABLE,
    Manifest,
    check_files,
    check_takes_films,
    read_manifest,
    read_member,
)
from spark_cxr.model.predictor import Prediction, Predictor, look_at_film, prediction_pass
from spark_cxr.output import Output, absolute, locate


@dataclass(frozen=True)
class Model:
    """A network and a head that are ready to look at films."""

    manifest: Manifest
    plan: Plan
    predictor: Predictor
    limits: Limits
    """What a film may cost: those of the training, or lower."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Name the labels that it tells apart."""
        return self.manifest.labels

    def refusing(self, what: Collection[str]) -> Model:
        """Refuse also what it only warns of: `unlike`, films that are unlike its training."""
        return replace(self, predictor=self.predictor.refusing(what))

    def predict(self, images: bytes | Sequence[bytes]) -> list[Prediction]:
        """Look at encoded images: one prediction for each, in order; a bad one says why.

        Raises:
            InputError: The model's vectors were made elsewhere; it has `predict_vectors`.
        """
        check_takes_films(self.manifest)
        contents = [images] if isinstance(images, bytes) else list(images)
        films = prediction_pass(self.plan, self.limits, self.predictor)
        return next(films.rows([[Content(content or b"") for content in contents]]))

    def explain(
        self, content: bytes | Pixels, *, label: str = "", method: str = "auto", exact: bool = False
    ) -> Explanation:
        """Say where on a film a decision comes from.

        Args:
            content: An encoded image, or decoded pixels, grey or colour, of 8 bits.
            label: Whose heat to give; empty: of the class that the model names, or of the
                finding that is furthest above its operating point.
            method: auto, cam, gradcam, gradcam++, occlusion or rise; auto takes what fits.
            exact: Refuse an exact map whose mean is not the margin.

        Raises:
            BadImage: There is no film in the bytes.
            ConfigError: There is no such label, or the method does not fit network and head.
            InputError: No label is given, and the model names no class for this film.
        """
        found = self.explain_labels(content, method=method, exact=exact)
        wanted = label or target_of(found[0].prediction, self.manifest.thresholds)
        if not wanted:
            expected = "a film for which the model names a class"
            flags = ", ".join(found[0].prediction.flags)
            raise InputError(expected, f"a film with the flags {flags}", "Name a label")
        return found[place_of(wanted, self.labels)]

    def explain_labels(
        self,
        content: bytes | Pixels,
        *,
        labels: Sequence[str] = (),
        method: str = "auto",
        exact: bool = False,
    ) -> tuple[Explanation, ...]:
        """Explain several labels, by default all, with one pass through the network."""
        check_takes_films(self.manifest)
        film = decode(content, self.limits) if isinstance(content, bytes) else None
        pixels = film.pixels if film else _checked_pixels(content)
        flags, fit = film.flags if film else (), self.plan.network.fit
        picture, shown = look_at_film(pixels, flags, fit, wants_lungs=True)
        attribution = make_attribution(method, self.predictor.head, self.plan, exact)
        trace = attribution.trace(shown[None])[0]
        prediction = self.predictor.predict(trace.vector, picture)
        return explanations(
            *(pixels, trace, prediction, self.labels, attribution.method, labels),
            grid=on_part(attribution.grid, picture.box),
            points=self.predictor.thresholds,
            lungs=picture.lungs,
        )

    def predict_vectors(self, vectors: ArrayLike) -> list[Prediction]:
        """Score feature vectors of the model's own network, one a row."""
        return [self.predictor.predict(row) for row in self._rows(vectors)]

    def probabilities(self, vectors: ArrayLike) -> NDArray[np.float64]:
        """Give (films, labels) for feature vectors, one a row, as `predict_vectors` does."""
        return self.predictor.probabilities(self._rows(vectors))

    def _rows(self, vectors: ArrayLike) -> NDArray[np.float64]:
        rows, width = np.asarray(vectors, dtype=np.float64), self.manifest.features
        if rows.ndim != 2 or rows.shape[1] != width:
            expected = f"rows of {width} features of {self.manifest.backbone}"
            raise InputError(expected, f"an array of shape {rows.shape}", "Take this network's")
        return rows


def _checked_pixels(array: ArrayLike) -> Pixels:
    pixels = np.asarray(array)
    if pixels.dtype != np.uint8 or pixels.shape[2:] not in ((), (3,)) or pixels.ndim < 2:
        received = f"an array of shape {pixels.shape} and {pixels.dtype}"
        expected = "bytes, or pixels (height, width) or (height, width, 3) of uint8"
        raise InputError(expected, received, "Scale it to 0 to 255")
    return pixels


def load_model(
    directory: str | Path,
    *,
    threads: int = 0,
    device: str = "auto",
    batch_size: int = 32,
    single: bool = False,
    public_key: str | Path = "",
) -> Model:
    """Open a model directory, check every file of it, and give a model that predicts.

    Args:
        directory: The `model/` of a training, on any file system that pyarrow knows.
        threads: For the network, and as many that decode; 0 is one for each core.
        device: Where the network is to run: auto, cpu or gpu.
        batch_size: Films that go through the network at once.
        single: Also be quick with one film at a time, for a little more time and memory.
        public_key: The file of an Ed25519 key that the model must have been signed for.

    Raises:
        InputError: It is no model directory, or was changed, is incomplete, or of another format.
    """
    place = Output(absolute(str(directory)).rstrip("/"))
    manifest = open_manifest(place, str(public_key))
    plan = Plan(
        network=network_of(place, manifest),
        threads=threads or os.cpu_count() or 1,
        precision=manifest.precision,
        device=device,
        batch_size=batch_size,
        single=single,
    )
    return Model(manifest, plan, read_predictor(place, manifest), manifest.limits)


def open_manifest(place: Output, public_key: str = "") -> Manifest:
    """Read model.json, check every file that it names, and that films are prepared as then."""
    manifest = read_manifest(place, public_key)
    check_files(place, manifest)
    if manifest.takes_films and manifest.preprocessing != PREPROCESSING:
        received = f"features of preprocessing {manifest.preprocessing}"
        way_out = "Train again: this version prepares films in another way"
        raise InputError(f"features of preprocessing {PREPROCESSING}", received, way_out)
    return manifest


def read_predictor(place: Output, manifest: Manifest) -> Predictor:
    """Read the head and the reference of a model directory."""
    head = unpack(read_member(place, manifest, ARRAYS))
    known = reference.unpack(read_member(place, manifest, REFERENCE))
    check_head(head, manifest.features, len(manifest.labels))
    if isinstance(head, FindingHeads) != manifest.is_of_findings:
        expected = f"a head of {'findings' if manifest.is_of_findings else 'classes'}"
        raise InputError(expected, "one of the other kind", "Train again")
    reference.check_reference(known, manifest.features, manifest.labels)
    decision = manifest.decision or NO_DECISION
    return Predictor(manifest.labels, head, known, manifest.thresholds, decision)


def network_of(place: Output, manifest: Manifest, into_cache: bool = False) -> Network:
    """Find the network on this host; from elsewhere its file comes into the cache once.

    With `into_cache` it comes there also from a folder of this host: workers look in no other.
    """
    from pyarrow import fs

    if not manifest.takes_films:
        return no_network(manifest.backbone, manifest.features, manifest.weights.sha256)
    if not manifest.network:
        return _fake(manifest)
    store, root = locate(place.address)
    source, sha256 = f"{root}/{manifest.network}", manifest.files[manifest.network]
    if isinstance(store, fs.LocalFileSystem) and not into_cache:
        return _checked(network.read(Path(source)), manifest, sha256)
    target = cache_dir("networks") / f"{sha256[:32]}.network"
    with locked(target):
        if not target.is_file() or digest(target) != sha256:
            with whole(target) as half:
                fs.copy_files(
                    source,
                    str(half),
                    source_filesystem=store,
                    destination_filesystem=fs.LocalFileSystem(),
                )
                if digest(half) != sha256:
                    received = f"{place.table(manifest.network)}, changed on its way"
                    raise InputError("a network as it was written", received, "Run again")
    return _checked(network.read(target), manifest, sha256)


def _checked(found: Network, manifest: Manifest, sha256: str) -> Network:
    """Refuse a network that is another one than model.json speaks of."""
    spoken = (manifest.engine, manifest.features, manifest.preprocessing, manifest.see or FILM)
    if (found.engine, found.dim, found.preprocessing, found.see) != spoken:
        expected = f"the network of model.json, of {manifest.features} features"
        received = f"{found.backbone} of {found.dim} for {found.engine}, shown {found.see}"
        raise InputError(expected, received, "Copy the model again, or train")
    if (found.quantisation is not None) != (manifest.precision == INT8):
        received = f"{manifest.precision} and another network"
        raise InputError("a network for the precision of model.json", received, "Train again")
    return replace(found, sha256=sha256)


def no_network(name: str, length: int, digest: str, origin: str = "", caveat: str = "") -> Network:
    """Stand in for the network of vectors that were made elsewhere: it can make no others.

    Its key is that of these vectors, by their digest, so that they mix with none that a network
    here has made, whatever their name.
    """
    weights = Weights(TABLE, "", digest, origin, "", caveat)
    return Network(name, (0, 0), length, "", "", TABLE, weights)


def _fake(manifest: Manifest) -> Network:
    row, origin = catalog.get(manifest.backbone), manifest.weights
    if manifest.engine not in row.engines or manifest.features != row.dim:
        received = f"{manifest.features} of {manifest.backbone} for {manifest.engine}"
        raise InputError(f"a network with a file, or {row.dim} features", received, "Train again")
    weights = Weights(origin.kind, "", origin.sha256, origin.origin, origin.licence)
    return Network(
        *(row.name, row.size_hw, manifest.features, row.normalising, "avg", manifest.engine),
        weights,
        see=manifest.see or FILM,
    )
