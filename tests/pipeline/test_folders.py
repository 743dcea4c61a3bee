"""Every name in a folder is a file of the listing, or is counted and named."""

import os
import socket
from contextlib import closing
from pathlib import Path

import pytest

from spark_cxr.archives.member import in_one_line
from spark_cxr.errors import InputError
from spark_cxr.pipeline import folders
from spark_cxr.pipeline.folders import Walk, kind_by_name
from spark_cxr.pipeline.globs import expanded
from spark_cxr.pipeline.readers import read_files
from spark_cxr.pipeline.sources import list_files

ODD = (
    *("a.png", "b b.png", "q?.png", "h#.png", "pct%20.png", "star*.png", "br[1].png", "{a,b}.png"),
    *("back\\s.png", "new\nline.png", "tab\t.png", " lead.png", "trail.png ", "quo\"'.png"),
    *("nfd-u\u0308.png", "nfc-\u00fc.png", "fffd-\ufffd.png", "dollar$.png", "~.png", "plus+.png"),
    *("semi;.png", "amp&.png", "a=b.png", "_a=b.png", "del\x7f.png", "x"),
)
HIDDEN = (".a.png", "_a.png", "_metadata", "x._COPYING_")
"""What Spark leaves out in silence."""


def walked(*roots, leave_out=""):
    walk = Walk(leave_out)
    for root in roots:
        walk.below(str(root))
    return walk


def names(walk, root):
    return sorted(file.path.removeprefix(f"file:{root}/") for file in walk.files)


@pytest.fixture
def films(tmp_path):
    """Give a folder with two films, one of them in a folder of its own."""
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png"):
        (tmp_path / "in" / name).write_bytes(b"film")
    return tmp_path / "in"


def test_the_walk_finds_what_spark_finds_and_spells_it_alike(spark, tmp_path):
    root = tmp_path / "a+b %20"
    root.mkdir()
    for number, name in enumerate((*ODD, *HIDDEN)):
        (root / name).write_bytes(b"x" * (number + 1))
        os.utime(root / name, ns=(0, (1_700_000_000_000 + number) * 10**6 + 999_999))
    (root / "12:00:00.png").write_bytes(b"no one can open this")
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    expected = reader.load(str(root)).selectExpr("path", "unix_micros(modificationTime)", "length")
    ours = {(file.path, file.modified, file.bytes) for file in walked(root).files}
    assert ours == {tuple(row) for row in expected.collect()}
    assert len(ours) == len(ODD) + 1
    listing = list_files(spark, [str(root)])
    assert (listing.count, listing.passed_over.counts) == (len(ODD) + 1, {"hidden": 4})
    read = read_files(spark, [str(root)], 1000, "", listing).select("path", "content").collect()
    assert {(row["path"], len(row["content"])) for row in read} == {
        (f"file:{root}/{name}", number + 1) for number, name in enumerate(ODD)
    }


def test_a_listing_says_the_same_however_often_it_is_read(spark, films):
    table = list_files(spark, [str(films)]).table(spark)
    before = table.collect()
    os.utime(films / "a.png", (1, 1))
    (films / "late.png").write_bytes(b"film")
    assert table.collect() == before


def test_files_that_come_after_the_listing_are_not_read(spark, films):
    listing = list_files(spark, [str(films)])
    (films / "late.png").write_bytes(b"film")
    assert read_files(spark, [str(films)], 100, "", listing).count() == 2


def test_a_link_back_makes_no_second_row(spark, films):
    (films / "sub" / "loop").symlink_to("..")
    (films / "sub" / "twin").symlink_to("../sub")
    listing = list_files(spark, [str(films)])
    assert listing.count == 2
    assert listing.passed_over.counts == {"linked_twice": 2}
    assert read_files(spark, [str(films)], 100, "", listing).count() == 2


def test_a_linked_folder_that_lies_elsewhere_is_listed_once(films, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "c.png").write_bytes(b"film")
    for name in ("one", "two"):
        (films / name).symlink_to(tmp_path / "elsewhere")
    walk = walked(films)
    assert names(walk, films) == ["a.png", "one/c.png", "sub/b.png"]
    assert walk.passed_over.names == {"linked_twice": [f"{films}/two"]}


def test_folders_that_link_to_each_other_are_listed_once_each(tmp_path):
    for number in range(12):  # all ways through these would be 12! folders
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.png").write_bytes(b"film")
        for other in range(12):
            (tmp_path / str(number) / f"to{other}").symlink_to(f"../{other}")
    walk = walked(tmp_path)
    assert (len(walk.files), walk.passed_over.counts["linked_twice"]) == (12, 144)


def test_a_folder_without_rights_is_named_and_the_others_are_read(spark, films, monkeypatch):
    (films / "locked").mkdir()
    (films / "locked" / "c.png").write_bytes(b"film")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):  # tests may run as root, whom no rights hold off
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(folders.os, "scandir", refuse)
    listing = list_files(spark, [str(films)])
    assert listing.count == 2
    assert str(listing.passed_over) == (
        f"1 name passed over: 1 that cannot be read ({films}/locked: Permission denied)"
    )
    assert not any(path.endswith(("/in", "locked")) for path in listing.readable)
    assert read_files(spark, [str(films)], 100, "", listing).count() == 2


def test_what_is_no_file_is_named(films):
    os.mkfifo(films / "fifo.png")
    (films / "nowhere.png").symlink_to("nothing")
    (films / "itself.png").symlink_to("itself.png")
    with closing(socket.socket(socket.AF_UNIX)) as at:
        at.bind(os.path.relpath(films / "s.png"))  # a socket's path must be short
        walk = walked(films)
    assert names(walk, films) == ["a.png", "sub/b.png"]
    assert walk.passed_over.counts == {"no_file": 2, "dangling": 1, "unreadable": 1}


def test_names_that_are_not_utf_8_are_files_with_an_obstacle(films):
    Path(os.fsdecode(os.fsencode(films) + b"/\xfe")).mkdir()
    for name in (b"/bad\xff.png", b"/\xfe/c.png"):
        Path(os.fsdecode(os.fsencode(films) + name)).write_bytes(b"film")
    found = {file.path.rpartition("/in/")[2]: file.obstacle for file in walked(films).files}
    assert found == {
        "a.png": "",
        "sub/b.png": "",
        "bad\\xff.png": folders.NO_UTF8,
        "\\xfe/c.png": folders.NO_UTF8,
    }


def test_what_is_passed_over_is_counted_and_the_first_are_named(films):
    for number in range(5):
        (films / f"{number}.csv").write_bytes(b"x")
    (films / "masks").mkdir()
    (films / "masks" / "a.png").write_bytes(b"film")
    (films / "_old").mkdir()
    walk = walked(films, leave_out="/masks/")
    first = [f"{films}/{number}.csv" for number in range(3)]
    assert walk.passed_over.to_json() == {
        "hidden": {"count": 1, "first": [f"{films}/_old/"]},
        "left_out": {"count": 1, "first": [f"{films}/masks/a.png"]},
        "side_file": {"count": 5, "first": first},
    }
    assert f"5 no image by its suffix ({', '.join(first)}, …)" in str(walk.passed_over)


def test_a_name_stays_in_its_line():
    assert in_one_line("a\nb\udcff\x1b[31m\u202e.png") == "a\\nb\\xff\\x1b[31m\\u202e.png"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.CSV", "side_file"), ("csv", ""), ("a.csv.png", ""), ("_a.csv", "hidden")]
)
def test_a_name_says_what_is_no_film(name, kind):
    assert kind_by_name(f"file:/x.y/{name}", "") == kind


def test_a_file_may_be_named_itself(spark, films):
    assert list_files(spark, [str(films / "a.png")]).count == 1


def test_where_all_was_passed_over_it_is_said_why(spark, tmp_path):
    (tmp_path / ".a.png").write_bytes(b"film")
    with pytest.raises(InputError, match=r"at least one image.*1 name passed over: 1 hidden"):
        list_files(spark, [str(tmp_path)])
    assert list_files(spark, [str(tmp_path)], may_be_empty=True).count == 0


# Globs


@pytest.mark.parametrize(
    "pattern",
    [
        *("*", "?.png", "[ab].png", "[^a].png", "[!a].png", "[a-c].png", "{a,b}.png", "*/b.png"),
        *("{sub,a.png}", "s{u,x}b/{b,c}.png", "{sub/b,c}.png", "\\*.png", "[*].png", "a.png"),
        *("s*", "{s,t}ub", "x{}y.png", "*.{png,jpg}"),
    ],
)
def test_a_glob_names_what_it_names_for_hadoop(spark, films, pattern):
    for name in ("b.png", "c.png", "*.png", "[.png", "sub/c.png", "xy.png", "d.jpg"):
        (films / name).write_bytes(b"film")
    reader = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    expected = {row["path"] for row in reader.load(f"{films}/{pattern}").select("path").collect()}
    assert {file.path for file in walked(*expanded(f"{films}/{pattern}")).files} == expected
    assert {file.path for file in list_files(spark, [f"{films}/{pattern}"]).found} == expected


def test_a_glob_that_names_nothing_or_is_none_is_refused(spark, films):
    for pattern in ("nothing*", "[a.png"):
        with pytest.raises(InputError, match="--images that"):
            list_files(spark, [f"{films}/{pattern}"])


def test_spark_is_asked_where_it_has_other_folders(spark, films, monkeypatch):
    """Stands for HDFS and for a Connect server: what the walk would find is not what Spark has."""
    from spark_cxr.pipeline import sources

    (films / "empty.png").write_bytes(b"")
    (films / "notes.txt").write_bytes(b"x")
    walk = list_files(spark, [str(films)])
    monkeypatch.setattr(sources, "_reads_here", lambda *_: False)
    listing = list_files(spark, [str(films)])
    assert sorted(listing.found, key=str) == sorted(walk.found, key=str)
    assert listing.passed_over.counts == {"side_file": 1}
