"""Label files of findings as accidents make them: read as meant, or refused in one line."""

import gzip
import io
import random
import zipfile

import pytest

from spark_cxr.datasets import Dataset
from spark_cxr.errors import InputError
from spark_cxr.pipeline import csv_text
from spark_cxr.pipeline.csv_text import read_csv_text, uncompressed
from spark_cxr.pipeline.finding_policy import FindingPolicy
from spark_cxr.pipeline.label_file import read_csv
from spark_cxr.pipeline.label_match import check_labels
from spark_cxr.pipeline.label_table import read_labels

HEADER = "Image Index,Finding Labels,Patient ID"
ROWS = [f"film{n:02}.png,{('Effusion|Mass', 'No Finding', 'Edema')[n % 3]},{n}" for n in range(30)]
GOOD = "\n".join([HEADER, *ROWS]) + "\n"
BIG = "x" * 10_000_000


def refusal(data, name="l.csv"):
    """Give the one line that says why a file is refused."""
    with pytest.raises(InputError) as caught:
        read_csv_text(
            uncompressed(data if isinstance(data, bytes) else data.encode(), name),
            *(name,),
            of_findings=True,
        )
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 400
    return said


def zipped(data, **how):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("l.csv", data, **how)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GOOD + 'z.png,"Effusion', "a quote that ends its field"),
        (GOOD + "z.png,Eff\0usion,1\n", "with a zero byte in line 32"),
        (GOOD.encode("utf-16-le"), "with a zero byte in line 1"),
        (GOOD.encode() + "z.png,Épanchement,1\n".encode("latin-1"), "with byte 0xC9 in line 32"),
        (GOOD + "z.png,Effusion,Mass,1\n", "3 fields in each row. Received: l.csv with 4 in line"),
        (GOOD + GOOD, "l.csv with it again in line 32"),
        (GOOD + "\ufeff" + GOOD, "l.csv with it again in line 32"),
        ("image,Effusion,Edema,Effusion\na,1,0,0\n", "with Effusion more than once"),
        ("image,Effusion, effusion\na,1,0\n", "with Effusion, effusion more than once"),
        (",".join(f"c{n}" for n in range(100_000)) + "\n", "up to 2,000 columns"),
    ],
    ids=[
        *("cut", "nul", "wide", "latin", "ragged", "twice", "twice-bom", "doubled", "case", "broad")
    ],
)
def test_a_damaged_file_is_refused_in_one_line(data, said):
    assert said in refusal(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.encode("utf-16"),
        ("\n" + GOOD).encode(),
        (GOOD + "z.png,Effusion\n").encode(),
        (GOOD + "z.png,Effusion,1,,\n").encode(),
        (GOOD + f'z.png,Effusion,"{BIG}"\n').encode(),
        b",Image Index,findings,\n0,a.png,Effusion,\n",
    ],
    ids=["bom", "utf-16", "blank line", "short row", "empty ends", "10 MB", "unnamed"],
)
def test_what_is_odd_and_says_the_same_is_read(data):
    assert ".png,Effusion" in read_csv_text(data, "l.csv", of_findings=True).text


def test_files_of_one_label_are_read_as_ever():
    for text in (GOOD + GOOD, "image,label,label\na,x,y\n", "image,label\na,x,y\n"):
        assert read_csv_text(text.encode(), "l.csv").text == text


PACKED = gzip.compress("".join(GOOD for _ in range(50)).encode(), 1, mtime=0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_packed_file_that_is_cut_is_refused(share):
    cut = PACKED[: int(share * len(PACKED))]
    assert "a whole file packed by gzip. Received: l.csv.gz (" in refusal(cut, "l.csv.gz")
    whole = zipped(GOOD)
    assert "a ZIP archive" in refusal(whole[: int(share * len(whole))], "l.csv.zip")


def test_a_packed_file_that_is_none_is_refused():
    assert "a whole file packed by gzip" in refusal(GOOD, "l.csv.gz")
    damaged = bytearray(zipped(GOOD))
    damaged[60:70] = b"0123456789"
    assert "a ZIP archive" in refusal(bytes(damaged), "l.csv.zip")


def test_a_small_file_that_unpacks_into_a_large_one_is_refused(monkeypatch):
    monkeypatch.setattr(csv_text, "MOST_UNPACKED", 2**20)
    monkeypatch.setattr(csv_text, "PIECE", 2**16)
    bomb = b"\0" * 2**23
    for packed, name in ((gzip.compress(bomb), "l.csv.gz"), (zipped(bomb), "l.csv.zip")):
        assert "a label file of up to 1 MiB, unpacked" in refusal(packed, name)


def test_no_damage_makes_anything_but_a_refusal():
    """A seeded list of accidents: bytes lost, doubled, changed, and lines torn apart."""
    draw, refused = random.Random(22), 0
    for _ in range(400):
        data = bytearray(GOOD.encode())
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(data))
            kind = draw.randrange(5)
            if kind == 0:
                del data[at:]
            elif kind == 1:
                data[at:at] = draw.choice([b'"', b",", b"\n", b"\0", b"\xff", b"\r", b"|"])
            elif kind == 2:
                data[at:at] = data[: draw.randrange(len(data))]
            elif kind == 3:
                del data[at : at + draw.randint(1, 40)]
            else:
                data[at] = draw.randrange(256)
            data = data or bytearray(b"x")
        try:
            read_csv_text(bytes(data), "l.csv", of_findings=True)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 100 < refused < 400


# What the cells say


def matrix(spark, tmp_path, text, wanted=("all",), dataset=None, **policy):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    told = FindingPolicy(wanted, **policy)
    rows = read_labels(spark, str(path), dataset or Dataset("x"), b"k", told)
    check_labels(rows, str(path))
    return {row["key"]: row["findings"] for row in rows.collect()}


@pytest.mark.slow
def test_numbers_and_words_are_read_however_they_are_written(spark, tmp_path):
    text = (
        "image,Edema,Effusion,Mass\na,1.0,TRUE, 1 \nb,-1.0,false,0.\nc,nan,NaN,null\n"
        "d,uncertain,No,<NA>\n"
    )
    found = matrix(spark, tmp_path, text, uncertain={"": "positive"})
    assert found == {
        "a": {"Edema": True, "Effusion": True, "Mass": True},
        "b": {"Edema": True, "Effusion": False, "Mass": False},
        "c": None,
        "d": {"Edema": True, "Effusion": False},
    }


@pytest.mark.parametrize("cell", ["2", "1.5", "-2", "perhaps", "1;0"])
def test_a_number_that_is_no_answer_is_refused(spark, tmp_path, cell):
    with pytest.raises(InputError, match=r"1, 0, -1, yes, no or nothing for a finding"):
        matrix(spark, tmp_path, f"image,Edema,Effusion\na,1,{cell}\nb,0,0\n")


@pytest.mark.slow
def test_nothing_is_no_finding_in_a_list_either(spark, tmp_path):
    text = "image,findings\na,Edema|nan\nb,NaN\nc,null\nd,Edema|\ne,\n"
    found = matrix(spark, tmp_path, text)
    assert found == {"a": {"Edema": True}, "b": None, "c": None, "d": {"Edema": True}, "e": None}


@pytest.mark.slow
def test_a_column_without_a_name_is_no_finding(spark, tmp_path):
    found = matrix(spark, tmp_path, ",image,Edema,\n0,a,1,1\n1,b,0,0\n")
    assert found == {"a": {"Edema": True}, "b": {"Edema": False}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("A|B", "without | in them"),
        ("tail\x1b[2J", "without | in them"),
        ("long" * 60, "up to 200 letters"),
    ],
)
def test_a_name_that_no_label_can_hold_is_refused(spark, tmp_path, header, said):
    with pytest.raises(InputError) as caught:
        matrix(spark, tmp_path, f"image,Edema,{header}\na,1,1\nb,0,0\n")
    assert said in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.slow
def test_a_name_is_a_name_whatever_it_would_do_elsewhere(spark, tmp_path):
    text = 'image,=cmd(),<b>x</b>,"Pleural\nEffusion",a`b.c\na,1,0,1,0\nb,0,1,,1\n'
    found = matrix(spark, tmp_path, text)
    assert found["a"] == {"=cmd()": True, "<b>x</b>": False, "Effusion": True, "a`b.c": False}
    assert found["b"] == {"=cmd()": False, "<b>x</b>": True, "a`b.c": True}


@pytest.mark.slow
def test_a_bar_within_a_name_of_a_list_is_refused(spark, tmp_path):
    dataset = Dataset("x", between=";")
    with pytest.raises(InputError, match=r"without \| in them. Received: A\|B"):
        matrix(spark, tmp_path, "image,findings\na,A|B;C\nb,C\n", dataset=dataset)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["557 2 1015", "557 x", "5-7 2", "1e3 4", "mask"])
def test_run_lengths_that_are_broken_are_refused(spark, tmp_path, cell):
    with pytest.raises(InputError, match=r"pairs of numbers as run lengths.*with 1 others"):
        matrix(spark, tmp_path, f"ImageId,EncodedPixels\na,-1\nb,{cell}\n", ("Pneumothorax",))


@pytest.mark.slow
def test_rows_of_boxes_count_whatever_their_numbers_are(spark, tmp_path):
    text = (
        "image_id,class_name,rad_id,x_min\na,Edema,R1,12\na,Edema,R2,1x\na,Edema,R3,\n"
        "b,No finding,R1,nan\n"
    )
    assert matrix(spark, tmp_path, text) == {"a": {"Edema": True}, "b": {"Edema": False}}


@pytest.mark.slow
def test_packed_json_that_is_cut_is_refused_in_one_line(spark, tmp_path):
    whole = gzip.compress(b"".join(b'{"path": "f%d.png", "Edema": 1}\n' % n for n in range(900)))
    path = tmp_path / "labels.json.gz"
    path.write_bytes(whole)
    assert read_csv(spark, str(path)).count() == 900
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError) as caught:
        read_csv(spark, str(path))
    assert "labels.json.gz" in str(caught.value) and "\n" not in str(caught.value)
