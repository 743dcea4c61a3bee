"""Label files as spreadsheets and accidents write them: read as meant, or refused by line."""

import gzip
import random

import pytest

from spark_cxr.errors import InputError
from spark_cxr.pipeline.csv_text import read_csv_text, uncompressed

TEXT = "file,label\nRöntgen.png,Covid\n"


def refusal(data: bytes | str) -> str:
    with pytest.raises(InputError) as caught:
        read_csv_text(data if isinstance(data, bytes) else data.encode(), "l.csv")
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "UTF-8"),
        (TEXT.encode("utf-8-sig"), "UTF-8"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16"),
        (b"", "UTF-8"),
    ],
)
def test_what_spreadsheets_write_is_read(data: bytes, encoding: str) -> None:
    found = read_csv_text(data, "l.csv")
    assert (found.text, found.encoding) == (TEXT if data else "", encoding)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_another_encoding_is_refused_with_its_byte(encoding: str, mark: bytes) -> None:
    assert refusal(mark + TEXT.encode(encoding)) == (
        "Expected a label file in UTF-8. Received: l.csv with byte 0xF6 in line 2. "
        "Save it as CSV in UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8."
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_wide_letters_without_their_mark_are_refused(encoding: str) -> None:
    assert "with a zero byte in line 1" in refusal("file,label\na,x\n".encode(encoding))


def test_a_file_is_unpacked_by_its_name() -> None:
    packed = gzip.compress(TEXT.encode())
    assert uncompressed(packed, "file:/l.csv.gz") == TEXT.encode()
    assert uncompressed(packed, "file:/l.csv") == packed


GOOD = [
    '"file","label"\r\n"a","x"\r\n',
    'f,l\n"a" ,x\nb"c,5" film\n"",""\n"d","say ""no"""',
    'f,l,note\na,x,"two\nlines, with a comma"\nb,y,"a\r\n""b"""\n',
]


@pytest.mark.parametrize("text", GOOD)
def test_quotes_that_end_their_field_are_good(text: str) -> None:
    assert read_csv_text(text.encode(), "l.csv").text == text


ROWS = "".join(f"film{n:02}.png,x,SECRET{n:02}\n" for n in range(30))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f'file,label,patient\nz,"x,y\n{ROWS}', 2),
        (f'file,label,patient\n{ROWS}z,x,"', 32),
        (f'file,"label,patient\n{ROWS}z,"x",y\n', 1),
        (f'file,label,patient\n"z"z,x,y\n{ROWS}', 2),
    ],
)
def test_a_stray_quote_is_refused_by_line_and_without_content(text: str, line: int) -> None:
    assert refusal(text) == (
        "Expected a quote that ends its field, before a comma or the end of a line. "
        f"Received: l.csv, line {line}. Correct the quotes of that line."
    )


def test_two_stray_quotes_that_swallow_rows_are_refused() -> None:
    said = refusal(f'file,label,patient\n"z,x,y\n{ROWS}a",x\n')
    assert said.startswith(
        "Expected 3 fields in each row. Received: l.csv with 2 from line 2 to 33"
    )


def test_no_damage_by_quotes_puts_content_into_the_refusal() -> None:
    draw, lines, refused = random.Random(18), ("file,label,patient", *ROWS.splitlines()), 0
    for _ in range(500):
        damaged = list("\n".join(lines))
        for _ in range(draw.randint(1, 3)):
            damaged.insert(draw.randrange(len(damaged)), '"')
        try:
            read_csv_text("".join(damaged).encode(), "l.csv")
        except InputError as error:
            refused += 1
            assert "SECRET" not in str(error)
            assert len(str(error)) < 250
    assert refused > 20
