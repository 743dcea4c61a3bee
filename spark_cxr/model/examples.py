"""Films that travel with a model, for its page: pictures of test films, with what is known of them.

They lie in the model directory like its other files, each with its digest in model.json. Older
versions read such a directory, and older directories have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from spark_cxr.errors import InputError
from spark_cxr.images.film import Pixels
from spark_cxr.images.prepare import scaled
from spark_cxr.images.raster import encode_png
from spark_cxr.model.manifest import Manifest, read_member
from spark_cxr.output import Output
from spark_cxr.records import read_json, read_record

FOLDER = "examples"
LIST = f"{FOLDER}/examples.json"
LONGEST = 512
"""Pixels of a picture's longer side, at most."""


@dataclass(frozen=True)
class ExampleFilm:
    """A film of the test, as a picture."""

    file: str
    """A PNG in the model directory: grey levels or colours, and nothing else of the film's file."""
    known: Mapping[str, bool]
    """Whether it has each of the model's labels, as far as that is known."""


@dataclass(frozen=True)
class ModelExamples:
    """All that travel with a model."""

    drawn: bool
    """They are phantoms, as were all films of the training: nobody's."""
    films: tuple[ExampleFilm, ...]


NO_EXAMPLES = ModelExamples(drawn=False, films=())


def write_examples(
    directory: Output, drawn: bool, films: Sequence[tuple[Pixels, Mapping[str, bool]]]
) -> None:
    """Write films as pictures into a model directory, before its model.json; no film, no folder."""
    listed = []
    for number, (pixels, known) in enumerate(films, 1):
        longest = min(LONGEST, max(pixels.shape[:2]))
        listed.append(ExampleFilm(f"{FOLDER}/{number}.png", known))
        directory.write_bytes(listed[-1].file, encode_png(scaled(pixels, longest)))
    if listed:
        directory.write_json(LIST, asdict(ModelExamples(drawn, tuple(listed))))


def read_examples(directory: Output, manifest: Manifest) -> tuple[ModelExamples, dict[str, bytes]]:
    """Read the list of a model's films, and the pictures by their files.

    Raises:
        InputError: A file was changed, or the list is none of this model.
    """
    if LIST not in manifest.files:
        return NO_EXAMPLES, {}
    listed = read_member(directory, manifest, LIST)
    try:
        found = read_record(ModelExamples, read_json(listed), LIST)
    except ValueError as error:
        raise _wrong(f"{directory.table(LIST)} ({error})") from None
    for film in found.films:
        is_inside = film.file.startswith(f"{FOLDER}/") and film.file.endswith(".png")
        if not is_inside or film.file not in manifest.files:
            raise _wrong(f"{film.file[:60]!r}")
        if not set(film.known) <= set(manifest.labels):
            raise _wrong(f"{film.file}, said to have or not to have what is no label of the model")
    pictures = {film.file: read_member(directory, manifest, film.file) for film in found.films}
    return found, pictures


def pictures_in(manifest: Manifest) -> list[str]:
    """Name the pictures among the files of a model."""
    return [name for name in manifest.files if name.startswith(f"{FOLDER}/") and name != LIST]


def _wrong(received: str) -> InputError:
    expected = f"{LIST} with pictures of the model and what is known of them"
    return InputError(expected, received, "Copy the model again, or train")
