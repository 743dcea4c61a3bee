"""The bytes of a label file as text, or one line that says why they are none.

Spark reads any bytes: letters of another encoding it replaces in silence, and one stray quote makes
a single field of all the lines after it. Both are refused here, by line, without their content.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from spark_cxr.errors import InputError, few

UTF_8, UTF_16 = "UTF-8", "UTF-16"
FIELD = re.compile(r'(?P<quoted>"(?:[^"]|"")*+"[ \t]*+)(?=[,\r\n]|\Z)|(?P<plain>(?!")[^,\r\n]*+)')
"""One field of a CSV, from where it begins."""
MOST_UNPACKED = 2**30
"""Bytes that a packed label file may come to: PadChest's has a fifth of it."""
MOST_COLUMNS, MOST_FINDING_COLUMNS = 20_000, 2_000
"""Spark's reader of CSV knows no more than 20,480; and of findings there are 1,000 at most."""
PIECE = 2**24
FETCH_AGAIN = "Fetch it again"
SAVE_AS = "Save it as CSV in UTF-8, or convert it: iconv -f WINDOWS-1252 -t UTF-8"


@dataclass(frozen=True)
class CsvText:
    """A label file that was checked."""

    text: str
    encoding: str
    """By the name that Spark knows it by."""


def read_csv_text(data: bytes, path: str, of_findings: bool = False) -> CsvText:
    """Decode a label file: UTF-8, or what begins with the mark of UTF-16, as Excel writes them.

    Args:
        data: The file, unpacked.
        path: Its name, for messages.
        of_findings: Refuse as well what would make or lose a finding without a word: columns of
            one name, a row longer than the header, the header again.

    Raises:
        InputError: It is in another encoding, or a quote in it does not end where a field does.
    """
    csv.field_size_limit(MOST_UNPACKED)  # as Spark's reader, which knows no limit
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = UTF_16 if is_utf_16 else UTF_8
    try:
        text = data.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        # The mark of UTF-8 is cut off before the position is counted.
        at = error.start + (len(data) - len(error.object))
        line = data.count(b"\n", 0, at) + 1
        received = f"{path} with byte 0x{data[at]:02X} in line {line:,}"
        raise InputError(f"a label file in {encoding}", received, SAVE_AS) from None
    if (at := text.find("\0")) >= 0:
        received = f"{path} with a zero byte in line {_line(text, at):,}"
        raise InputError("a label file of text in UTF-8", received, SAVE_AS)
    if not _is_plainly_right(text):
        _check_quotes(text, path)
    _check_rows(text, path, of_findings)
    return CsvText(text, encoding)


def is_zip(path: str) -> bool:
    """Tell a ZIP archive by its name; Spark reads none."""
    return path.lower().endswith(".zip")


def uncompressed(data: bytes, path: str) -> bytes:
    """Unpack what Spark unpacks by the end of a file's name, and a ZIP archive of one file."""
    if is_zip(path):
        return _of_zip(data, path)
    try:
        codec = pa.Codec.detect(path).name
    except (TypeError, ValueError):  # pyarrow knows no such end
        return data
    pieces, size = list[bytes](), 0
    try:
        with pa.input_stream(pa.py_buffer(data), compression=codec) as stream:
            while piece := stream.read(PIECE):
                pieces.append(piece)
                size += len(piece)
                _check_unpacked(size, path)
    except OSError as error:
        received = f"{path} ({str(error).splitlines()[0]})"
        raise InputError(f"a whole file packed by {codec}", received, FETCH_AGAIN) from None
    return b"".join(pieces)


def _check_unpacked(size: int, path: str) -> None:
    """Refuse a small file that unpacks into the memory of the whole machine."""
    if size > MOST_UNPACKED:
        expected = f"a label file of up to {MOST_UNPACKED >> 20:,} MiB, unpacked"
        raise InputError(expected, f"{path} with more", "Unpack it and see what it holds")


def _of_zip(data: bytes, path: str) -> bytes:
    way_out = "Pack the label file alone, or not at all"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [each for each in archive.infolist() if not each.is_dir()]
            if len(files) != 1:
                received = f"{path} with {len(files):,}"
                raise InputError("a ZIP archive of one label file", received, way_out)
            _check_unpacked(files[0].file_size, path)
            return archive.read(files[0])
    # Cut or damaged; with a password; or packed by a method that Python lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError("a ZIP archive", f"{path} ({error})", way_out) from None


def _is_plainly_right(text: str) -> bool:
    """Read the file quickly; False calls for a closer look, and does not say that it is wrong."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        width, line = len(next(rows, [])), rows.line_num
        for row in rows:
            if rows.line_num - line > 1 and len(row) != width:
                return False
            line = rows.line_num
    except csv.Error:
        return False
    return True


def _check_rows(text: str, path: str, of_findings: bool) -> None:
    """Refuse more columns than can be read; of findings also what the header does not foresee."""
    rows = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(filter(None, rows), [])]
    most = MOST_FINDING_COLUMNS if of_findings else MOST_COLUMNS
    if len(header) > most:
        received = f"{path} with {len(header):,}"
        raise InputError(f"a label file of up to {most:,} columns", received, "Leave columns out")
    if not of_findings:
        return
    names = Counter(name.casefold() for name in header if name)
    if doubled := [name for name in dict.fromkeys(header) if names[name.casefold()] > 1]:
        received = f"{path} with {few(doubled)} more than once"
        raise InputError("each column of a label file once", received, "Rename or remove them")
    for row in rows:
        if any(cell.strip() for cell in row[len(header) :]):
            received = f"{path} with {len(row):,} in line {rows.line_num:,}"
            way_out = "Put quotes around a field with commas, or | between findings"
            raise InputError(f"{len(header):,} fields in each row", received, way_out)
        if header == [cell.strip("\ufeff ") for cell in row] != [""]:
            received = f"{path} with it again in line {rows.line_num:,}"
            raise InputError("one header in a label file", received, "Remove that line")


def _check_quotes(text: str, path: str) -> None:
    """Refuse a field that its quote does not end, and one that swallows other rows.

    Only rows with a quote are looked at: all others end where their line does.
    """
    width, end, way_out = None, 0, "Correct the quotes of that line"
    while (quote := text.find('"', end)) >= 0:
        start = max(end, text.rfind("\n", end, quote) + 1, text.rfind("\r", end, quote) + 1)
        fields, end, is_closed = _row(text, start)
        if not is_closed:
            expected = "a quote that ends its field, before a comma or the end of a line"
            raise InputError(expected, f"{path}, line {_line(text, end):,}", way_out)
        width = width or _row(text, 0)[0]
        if fields != width and re.search(r"[\r\n]", text[start:end]):
            lines = f"from line {_line(text, start):,} to {_line(text, end):,}"
            received = f"{path} with {fields:,} {lines}"
            raise InputError(f"{width:,} fields in each row", received, way_out)


def _row(text: str, at: int) -> tuple[int, int, bool]:
    """Count the fields of the row that begins here; say where it ends, or has a quote too many."""
    fields = 1
    while (found := FIELD.match(text, at)) is not None:
        if not text.startswith(",", found.end()):
            return fields, found.end(), True
        at, fields = found.end() + 1, fields + 1
    return fields, at, False


def _line(text: str, at: int) -> int:
    """Count lines as editors do, whichever way they end."""
    return len(re.findall(r"\r\n|\r|\n", text[:at])) + 1
