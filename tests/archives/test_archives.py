"""Archives of each kind against the films that were put into them, and against hostile bytes."""

import gzip
import io
import json
import random
import struct
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import fs, parquet

from spark_cxr.archives import catalog
from spark_cxr.archives.gzip_seek import BETWEEN, SeekableGzip
from spark_cxr.archives.member import BadArchive, MemberLost, NoFilms
from spark_cxr.images.decode import decode
from tests.archives.packed import write_parquet, write_tar, write_zip

FILMS = {f"ward {n % 3}/film {n}.png": random.Random(n).randbytes(900 + 37 * n) for n in range(40)}


def kinds(folder: Path) -> dict[str, Path]:
    write_zip(folder / "a.zip", FILMS)
    write_zip(folder / "stored.zip", FILMS, zipfile.ZIP_STORED)
    write_tar(folder / "a.tar", FILMS)
    write_tar(folder / "a.tar.gz", FILMS, "w:gz")
    write_parquet(folder / "a.parquet", FILMS, {})
    return {file.name: file for file in folder.iterdir()}


@pytest.mark.parametrize("name", ["a.zip", "stored.zip", "a.tar", "a.tar.gz", "a.parquet"])
def test_gives_what_was_put_in_in_any_order(tmp_path: Path, name: str) -> None:
    address = f"file:{kinds(tmp_path)[name]}"
    found = {member.name: member.bytes for member in catalog.members_of(address)}
    assert found == {name: len(data) for name, data in FILMS.items()}
    asked = [*found, *reversed(found), *random.Random(0).sample(sorted(found), 20)]
    assert all(catalog.read_member(address, each) == FILMS[each] for each in asked)
    assert catalog.size_of(catalog.path_of(address, "ward 0/film 0.png")) == 900
    with pytest.raises(MemberLost):
        catalog.read_member(address, "ward 0/nobody.png")


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_the_dot_that_tar_and_zip_begin_with_hides_nothing(tmp_path: Path, name: str) -> None:
    folder, file = tmp_path / "films", tmp_path / name
    (folder / "Normal").mkdir(parents=True)
    (folder / "Normal" / "a.png").write_bytes(b"film")
    kind = name.partition(".")[2]
    if kind == "zip":
        write_zip(file, {"./Normal/a.png": b"film", ".//b.png": b"other"})
    else:
        subprocess.run(
            ["tar", "-cf" if kind == "tar" else "-czf", file, "-C", folder, "."], check=True
        )
    names = [each.name for each in catalog.members_of(f"file:{file}")]
    assert "Normal/a.png" in names
    assert all(each[0] not in "./" for each in names)
    assert catalog.read_member(f"file:{file}", "Normal/a.png") == b"film"


def test_a_path_comes_apart_into_archive_and_name() -> None:
    assert catalog.split("file:/a/b.zip!/c/d.png") == ("file:/a/b.zip", "c/d.png")
    assert catalog.split("s3://x/b.TAR.GZ!/d.zip!/e") == ("s3://x/b.TAR.GZ", "d.zip!/e")
    assert catalog.split("file:/odd!/c.png") is None
    assert [*map(catalog.kind_of, ("a.zip", "a.tgz", ".zip", "a.gz", "a.NPY"))] == [
        *(".zip", ".tgz", "", "", ".npy")
    ]


def test_an_archive_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    address = f"file:{tmp_path / 'a.zip'}"
    write_zip(tmp_path / "a.zip", {"a.png": b"first"})
    assert catalog.read_member(address, "a.png") == b"first"
    write_zip(tmp_path / "a.zip", {"a.png": b"another"})
    assert catalog.read_member(address, "a.png") == b"another"


def test_webdataset_says_the_class_beside_the_film(tmp_path: Path) -> None:
    notes = {"a.cls": b"COVID\n", "b.json": json.dumps({"label": 3}).encode(), "c.json": b"{["}
    write_tar(tmp_path / "w.tar", {"a.png": b"1", "b.png": b"2", "c.png": b"3", **notes})
    found = {each.name: each.label for each in catalog.members_of(f"file:{tmp_path}/w.tar")}
    assert [found[name] for name in ("a.png", "b.png", "c.png")] == ["COVID", "3", None]


def test_parquet_names_classes_as_hugging_face_does(tmp_path: Path) -> None:
    labels = {name: name.split("/")[0] for name in FILMS}
    write_parquet(tmp_path / "a.parquet", FILMS, labels)
    found = {each.name: each.label for each in catalog.members_of(f"file:{tmp_path}/a.parquet")}
    assert found == labels


def test_parquet_of_other_shapes(tmp_path: Path) -> None:
    grey = np.arange(48 * 40, dtype=np.uint8).reshape(48, 40)
    spark = {"origin": "file:///x/a.png", "height": 48, "width": 40, "nChannels": 1, "mode": 0}
    cases = {
        "bytes": ([b"abc"], "000000000", b"abc"),
        "lists": ([grey.tolist()], "000000000", None),
        "spark": ([{**spark, "data": grey.tobytes()}], "x/a.png", None),
    }
    for case, (column, name, data) in cases.items():
        file = tmp_path / f"{case}.parquet"
        parquet.write_table(pa.table({"image": column}), file)
        (member,) = catalog.members_of(f"file:{file}")
        read = catalog.read_member(f"file:{file}", member.name)
        assert (member.name, member.bytes) == (name, len(read))
        if data is None and case == "spark":
            assert (decode(read).pixels == grey).all()
        assert data is None or read == data
    parquet.write_table(pa.table({"path": ["a"], "label": ["b"]}), tmp_path / "t.parquet")
    with pytest.raises(NoFilms):
        list(catalog.members_of(f"file:{tmp_path}/t.parquet"))


def test_names_in_parquet_lead_nowhere(tmp_path: Path) -> None:
    names = ["../../etc/a.png", "/etc/b.png", "C:\\x\\c.png", ""]
    films = [{"bytes": b"1", "path": name} for name in names]
    parquet.write_table(pa.table({"image": films}), tmp_path / "a.parquet")
    found = [each.name for each in catalog.members_of(f"file:{tmp_path}/a.parquet")]
    assert found == ["etc/a.png", "etc/b.png", "x/c.png", "000000003"]


@pytest.mark.parametrize("is_compressed", [False, True])
def test_arrays_are_films_with_labels(tmp_path: Path, is_compressed: bool) -> None:
    draw = np.random.default_rng(0)
    stack = draw.integers(0, 255, (9, 40, 48), np.uint8)
    save = np.savez_compressed if is_compressed else np.savez
    save(tmp_path / "a.npz", train_images=stack, train_labels=np.arange(9)[:, None] % 2)
    np.save(tmp_path / "a.npy", stack)
    for name, prefix, labels in (("a.npz", "train_images/", True), ("a.npy", "", False)):
        address = f"file:{tmp_path}/{name}"
        members = list(catalog.members_of(address))
        assert [each.name for each in members] == [f"{prefix}{n:09d}" for n in range(9)]
        assert [each.label for each in members] == [
            str(n % 2) if labels else None for n in range(9)
        ]
        for number in (4, 1, 8, 0):
            data = catalog.read_member(address, members[number].name)
            assert len(data) == members[number].bytes
            assert (decode(data).pixels == stack[number]).all()


def test_one_array_is_one_film_and_no_archive(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((40, 48), np.uint8))
    (member,) = catalog.members_of(f"file:{tmp_path}/a.npy")
    assert catalog.path_of("file:/a.npy", member.name) == "file:/a.npy"
    assert member.bytes == (tmp_path / "a.npy").stat().st_size


def test_zip_says_what_it_does_not_give(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../out.png", b"1")
        archive.writestr("/abs.png", b"2")
        archive.writestr(link, b"a.png")
        archive.writestr("a.png", b"3")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", b"4")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    found = {each.name: each.obstacle for each in catalog.members_of(f"file:{tmp_path}/a.zip")}
    assert found == {
        "../../out.png": "a name that leads out of its archive",
        "/abs.png": "an absolute name in an archive",
        "link.png": "a link in a zip file",
        "a.png": "",
        "a.png#2": "a second member of this name",
    }
    start = data.rindex(b"PK\1\2", 0, data.index(b"a.png", data.index(b"PK\1\2")))
    data[start + 8] |= 1
    (tmp_path / "b.zip").write_bytes(data)
    assert any(
        "encrypted" in each.obstacle for each in catalog.members_of(f"file:{tmp_path}/b.zip")
    )


def test_a_zip_member_gives_no_more_than_its_index_says(tmp_path: Path) -> None:
    write_zip(tmp_path / "bomb.zip", {"a.png": bytes(10_000_000)})
    data = bytearray((tmp_path / "bomb.zip").read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 100)
    (tmp_path / "bomb.zip").write_bytes(data)
    with pytest.raises(MemberLost):
        catalog.read_member(f"file:{tmp_path}/bomb.zip", "a.png")


def test_a_tar_that_is_cut_gives_what_came_before(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", FILMS)
    data = (tmp_path / "a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(data[: len(data) // 2])
    found = catalog.members_of(f"file:{tmp_path}/a.tar")
    names = []
    with pytest.raises(BadArchive):
        for member in found:
            names.append(member.name)
    assert names == list(FILMS)[: len(names)]
    assert len(names) > 5
    with pytest.raises(MemberLost, match="cut off"):
        catalog.read_member(f"file:{tmp_path}/a.tar", names[-1])


def test_a_tar_header_cannot_ask_for_the_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**33
    with gzip.open(tmp_path / "a.tgz", "wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
    with pytest.raises(BadArchive, match="header of"):
        list(catalog.members_of(f"file:{tmp_path}/a.tgz"))


def test_a_gzip_bomb_is_left_alone(tmp_path: Path) -> None:
    big = tarfile.TarInfo("big.png")
    big.size = 2**28
    with gzip.open(tmp_path / "a.tgz", "wb", compresslevel=9) as file:
        file.write(big.tobuf())
        for _ in range(2**8):
            file.write(bytes(2**20))
        file.write(big.tobuf())
    with pytest.raises(BadArchive, match="times its size"):
        list(catalog.members_of(f"file:{tmp_path}/a.tgz"))


def test_gzip_is_read_from_any_place() -> None:
    data = random.Random(1).randbytes(3 * BETWEEN + 12_345)
    parts = gzip.compress(data[:100_000], 1) + gzip.compress(data[100_000:], 1) + bytes(512)
    reader = SeekableGzip(io.BytesIO(parts))
    assert reader.read() == data
    for place in random.Random(2).sample(range(len(data)), 25):
        reader.seek(place)
        assert reader.read(1000) == data[place : place + 1000]
    reader.seek(len(data) + 5)
    assert reader.read(10) == b""
    with pytest.raises(BadArchive):
        SeekableGzip(io.BytesIO(parts[:-9000])).read()


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.parquet", "a.npz"])
def test_hostile_archives_raise_nothing_else(tmp_path: Path, name: str) -> None:
    """200 mutations each: cut, overwritten, doubled; `make test-all` is no other than this."""
    source = kinds(tmp_path)
    np.savez(tmp_path / "a.npz", images=np.zeros((5, 40, 40), np.uint8), labels=np.arange(5))
    data, draw = (source.get(name) or tmp_path / name).read_bytes(), random.Random(5)
    target = tmp_path / f"m{name[1:]}"
    outcomes = set()
    for _ in range(200):
        target.write_bytes(mutated(data, draw))
        try:
            members = list(catalog.members_of(f"file:{target}"))
            outcomes.add("listed")
        except BadArchive:
            outcomes.add("bad")
            continue
        for member in draw.sample(members, min(3, len(members))):
            try:
                catalog.read_member(f"file:{target}", member.name)
            except MemberLost:
                outcomes.add("lost")
    assert outcomes >= {"listed", "bad"}


def mutated(data: bytes, draw: random.Random) -> bytes:
    cut = bytearray(data)
    match draw.randrange(3):
        case 0:
            del cut[draw.randrange(len(cut)) :]
        case 1:
            for _ in range(draw.choice((1, 5, 50))):
                cut[draw.randrange(len(cut))] = draw.randrange(256)
        case 2:
            start = draw.randrange(len(cut))
            cut[start:start] = cut[start : start + draw.randrange(5000)]
    return bytes(cut)


class Store:
    """A folder behind an address of a store, which counts what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.looks, self.requests = folder, 0, 0

    def get_file_info(self, path: str) -> fs.FileInfo:
        self.looks += 1
        return fs.LocalFileSystem().get_file_info(str(self.folder / path))

    def open_input_file(self, path: str) -> "Counted":
        return Counted(self, (self.folder / path).open("rb", buffering=0))


class Counted(io.RawIOBase):
    def __init__(self, store: Store, file: io.FileIO) -> None:
        super().__init__()
        self.store, self.file = store, file
        self.seek, self.tell = file.seek, file.tell  # type: ignore[method-assign]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, into: bytearray) -> int | None:
        self.store.requests += 1
        return self.file.readinto(into)

    def close(self) -> None:
        self.file.close()
        super().close()


@pytest.mark.parametrize("name", ["many.tar", "many.tar.gz", "many.zip"])
def test_a_store_is_not_asked_for_each_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    films = {f"{n}.png": random.Random(n).randbytes(3000) for n in range(1000)}
    if name.endswith(".zip"):
        write_zip(tmp_path / name, films)
    else:
        write_tar(tmp_path / name, films, "w:gz" if name.endswith(".gz") else "w")
    store, address = Store(tmp_path), f"s3a://films/{name}"
    monkeypatch.setattr(catalog, "locate", lambda address: (store, name))
    monkeypatch.setattr(catalog, "_SHELF", catalog._Shelf())
    assert [member.name for member in catalog.members_of(address)] == list(films)
    listed = store.requests
    assert all(catalog.read_member(address, each) == films[each] for each in films)
    assert store.looks <= 2 and store.requests <= 30, "1,000 films of 3 MB"
    assert store.requests > listed, "they were not read from memory"


def test_an_archive_in_a_store_that_was_written_anew_is_soon_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, address = Store(tmp_path), "s3a://films/a.tar"
    monkeypatch.setattr(catalog, "locate", lambda address: (store, "a.tar"))
    monkeypatch.setattr(catalog, "_SHELF", catalog._Shelf())
    write_tar(tmp_path / "a.tar", {"old.png": b"old"})
    assert catalog.read_member(address, "old.png") == b"old"
    write_tar(tmp_path / "a.tar", {"new.png": b"newer"})
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + catalog.ASKED_AGAIN + 1)
    assert catalog.read_member(address, "new.png") == b"newer"
