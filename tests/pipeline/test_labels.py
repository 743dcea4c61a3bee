import pytest

from spark_cxr.datasets import Dataset, LabelRule
from spark_cxr.errors import InputError
from spark_cxr.pipeline import label_columns, label_match, label_table

KEY = b"k"


def rows_of(spark, tmp_path, text, dataset=None):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    return label_table.read_labels(spark, str(path), dataset or Dataset("x"), KEY)


def paths(spark, *names):
    return spark.createDataFrame([(f"file:{name}",) for name in names], "path string")


def matched(spark, tmp_path, text, *names):
    rows = rows_of(spark, tmp_path, text)
    found = label_match.match(paths(spark, *names), rows).collect()
    return {row["path"].removeprefix("file:"): row["label"] for row in found}


@pytest.mark.parametrize(
    "key", ["b/one.png", "/data/b/one.png", "./b/one.png", r"b\one.png", "one.png", "one"]
)
def test_a_file_is_found_by_path_name_or_stem(spark, tmp_path, key):
    text = f"filename,label\n{key},COVID-19\n"
    assert matched(spark, tmp_path, text, "/data/b/one.png") == {"/data/b/one.png": "COVID-19"}


def test_the_key_that_says_more_of_the_path_counts(spark, tmp_path):
    text = "path,label\none.png,general\na/one.png,particular\n"
    found = matched(spark, tmp_path, text, "/data/a/one.png", "/data/b/one.png")
    assert found == {"/data/a/one.png": "particular", "/data/b/one.png": "general"}


def test_a_path_that_only_ends_like_a_key_is_not_matched(spark, tmp_path):
    assert matched(spark, tmp_path, "path,label\none.png,x\n", "/data/not_one.png") == {}


def test_rules_turn_the_publishers_words_into_labels(spark, tmp_path):
    dataset = Dataset("x", rules=(LabelRule("COVID", "C"), LabelRule("^Pneu", "P")))
    text = "filename,finding\na,Pneumonia/Viral/COVID-19\nb,Pneumonia\nc,todo\n"
    rows = rows_of(spark, tmp_path, text, dataset).collect()
    assert {row["key"]: row["label"] for row in rows} == {"a": "C", "b": "P", "c": None}


def test_patients_leave_the_file_as_pseudonyms(spark, tmp_path):
    text = "filename,label,patient_id\na,x,Miller\nb,x,Miller\nc,x,\n"
    got = {row["key"]: row["patient_id"] for row in rows_of(spark, tmp_path, text).collect()}
    assert got["a"] == got["b"] != "Miller"
    assert got["c"] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name_of_it,label\na,x\n",
            "Expected a column that names the image file, such as path, filename, file_name. "
            "Received: {path} with columns name_of_it, label. "
            "Name it with --key-column, --label-column.",
        ),
        (
            "filename,what\na,x\n",
            "Expected a column with the label, such as label, labels, class. "
            "Received: {path} with columns filename, what. "
            "Name it with --key-column, --label-column.",
        ),
    ],
)
def test_a_file_without_the_column_is_refused(spark, tmp_path, text, message):
    with pytest.raises(InputError) as error:
        rows_of(spark, tmp_path, text)
    assert str(error.value) == message.format(path=tmp_path / "labels.csv")


def test_a_column_named_wrongly_is_refused_with_the_nearest(spark, tmp_path):
    with pytest.raises(InputError, match=r"Expected a column findng.*Did you mean finding\?"):
        rows_of(spark, tmp_path, "filename,finding\na,x\n", Dataset("x", label_column="findng"))


def test_a_file_that_is_not_there_is_refused(spark, tmp_path):
    with pytest.raises(InputError, match=r"a label file that can be read.*nowhere.csv"):
        label_table.read_labels(spark, str(tmp_path / "nowhere.csv"), Dataset("x"), KEY)


def test_two_labels_for_one_key_are_refused(spark, tmp_path):
    rows = rows_of(spark, tmp_path, "filename,label\na,x\na,y\nb,x\n")
    with pytest.raises(
        InputError, match=r"one label for each key. Received: f.csv: a with several"
    ):
        label_match.check_labels(rows, "f.csv")


def test_the_same_row_twice_is_no_conflict(spark, tmp_path):
    label_match.check_labels(rows_of(spark, tmp_path, "filename,label\na,x\na,x\n"), "f.csv")


def test_unmatched_rows_and_files_are_counted_and_named(spark, tmp_path):
    rows = rows_of(spark, tmp_path, "filename,label\na,x\ngone1,x\ngone2,x\n")
    files = paths(spark, "/d/a.png", "/d/new.png")
    found = label_match.find_unmatched(files, rows, label_match.match(files, rows))
    assert str(found) == "2 rows without a file, 1 files without a row (gone1, gone2, new.png)"


@pytest.mark.parametrize(
    ("written", "view"),
    [("PA", "PA"), (" pa ", "PA"), ("AP Supine", "AP"), ("L", "lateral"), ("Axial", None)],
)
def test_views_are_brought_down_to_three(spark, written, view):
    rows = spark.createDataFrame([(written,)], "v string")
    assert rows.select(label_table.normal_view(rows["v"]).alias("v")).collect()[0]["v"] == view


# What a message may show


def test_a_stray_quote_shows_no_patient(spark, tmp_path):
    rows = "".join(f"film{n:02}.png,x,SECRET{n:02}\n" for n in range(27))
    with pytest.raises(InputError) as error:
        rows_of(spark, tmp_path, f'file,label,patient\nz.png,"x,y\n{rows}')
    assert "SECRET" not in str(error.value)
    assert "labels.csv, line 2." in str(error.value)


def test_a_line_s_end_within_a_key_is_refused_without_it(spark, tmp_path):
    rows = rows_of(spark, tmp_path, 'file,label\n"a.png,x\nSECRET.png",y\nb.png,x\n')
    with pytest.raises(InputError) as error:
        label_match.check_labels(rows, "f.csv")
    assert str(error.value) == (
        "Expected keys and labels of one line. Received: f.csv: 1 with a line's end within. "
        "Look for a quote too many."
    )


def test_a_first_row_taken_for_the_header_is_shown_in_part(spark, tmp_path):
    with pytest.raises(InputError) as error:
        rows_of(spark, tmp_path, ",".join(f"SECRET{n:02}" for n in range(40)) + "\n")
    assert str(error.value).count("SECRET") == label_columns.MOST_COLUMNS
    assert "and 28 more" in str(error.value)


def test_keys_are_shown_shortened_and_counted(spark, tmp_path):
    keys = [f"ward/MILLER-{n}.png" for n in range(10, 19)]
    rows = rows_of(spark, tmp_path, "file,label\n" + "".join(f"{k},x\n{k},y\n" for k in keys))
    with pytest.raises(InputError) as error:
        label_match.check_labels(rows, "f.csv")
    assert "f.csv: MI…10.png, MI…11.png, MI…12.png and 6 more with several labels" in str(
        error.value
    )
    files = paths(spark, "/d/MILLER-1.png")
    found = label_match.find_unmatched(files, rows, label_match.match(files, rows))
    assert "MILLER" not in str(found)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("new.png", "new.png"),
        ("d/12345678.dcm", "12…78.dcm"),
        ("12345678", "12…78"),
        ("a.12345678", "a.…78"),
        (".x", ".x"),
    ],
)
def test_a_name_is_shortened(name, shown):
    assert label_match.shortened(name) == shown


# One patient, one name


def test_two_patients_of_one_file_are_refused(spark, tmp_path):
    rows = rows_of(spark, tmp_path, "filename,label,patient\na,x,1\n./a,x,2\nb,x,3\nb,x,3\n")
    with pytest.raises(InputError, match=r"one patient for each key. Received: f.csv: a with seve"):
        label_match.check_labels(rows, "f.csv")


def test_a_row_without_patient_contradicts_none(spark, tmp_path):
    text = "filename,label,patient\na,x,1\na,x,\na,x,NA\n"
    label_match.check_labels(rows_of(spark, tmp_path, text), "f.csv")


APART, WHOLE = "Mu\u0308ller.png", "M\u00fcller.png"


def test_accents_apart_are_the_same_name(spark, tmp_path):
    text, names = f"filename,label\n{APART},x\n{WHOLE[1:]},x\n", (f"/d/{WHOLE}", f"/d/{APART[1:]}")
    assert set(matched(spark, tmp_path, text, *names)) == set(names)


def test_accents_apart_are_the_same_key_and_label(spark, tmp_path):
    text = f"filename,label\n{APART},{APART}\n{WHOLE},{WHOLE}\n"
    rows = rows_of(spark, tmp_path, text)
    label_match.check_labels(rows, "f.csv")
    assert rows.drop("findings").distinct().count() == 1  # maps cannot be distinct


def test_letters_of_a_spreadsheet_are_kept(spark, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(f"filename,label\r\n{WHOLE},Pneumonía\r\n".encode("utf-16"))
    row = label_table.read_labels(spark, str(path), Dataset("x"), KEY).collect()[0]
    assert (row["key"], row["label"]) == (WHOLE, "Pneumonía")


def test_letters_of_another_encoding_are_refused(spark, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(f"filename,label\n{WHOLE},x\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"byte 0xFC in line 2. Save it as CSV in UTF-8"):
        label_table.read_labels(spark, str(path), Dataset("x"), KEY)
