"""Elements escape by themselves, and a page asks nothing of anybody."""

import base64
import hashlib
import re

import pytest

from spark_cxr.errors import InputError
from spark_cxr.report.html import Html, element, facts, join, page, picture, section, table


def test_text_is_escaped_and_markup_is_not():
    assert element("p", "a < b", element("b", "&")) == "<p>a &lt; b<b>&amp;</b></p>"


def test_attributes_are_escaped():
    assert element("p", title='">') == '<p title="&quot;&gt;"></p>'


def test_names_of_attributes_may_be_python_words_and_have_dashes():
    assert element("p", class_="a", aria_label="b") == '<p class="a" aria-label="b"></p>'


def test_void_elements_have_no_end():
    assert element("br") == "<br>"


def test_join_keeps_markup():
    assert isinstance(join(["<", Html("<br>")]), Html)
    assert join(["<", Html("<br>")]) == "&lt;<br>"


def test_stray_bytes_of_a_file_name_become_a_visible_mark():
    assert element("p", "a\udcffb\x00c\u202ed") == "<p>a\ufffdb\ufffdc\ufffdd</p>"


def test_letters_and_spaces_of_any_language_stay():
    assert element("p", "肺炎 87\u202f% ä") == "<p>肺炎 87\u202f% ä</p>"


def test_a_table_has_a_caption_and_scopes():
    found = table("Counts", ("Class", "Test"), [("a", "1"), ("b", "2")])

    assert "<caption>Counts</caption>" in found
    assert found.count('scope="col"') == 2
    assert found.count('scope="row"') == 2
    assert '<td class="number">2</td>' in found


def test_a_row_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="longer"):
        table("Counts", ("Class", "Train", "Test"), [("a", "1")])


def test_facts_are_a_list_of_names_and_values():
    assert facts([("a", "<")]) == "<dl><div><dt>a</dt><dd>&lt;</dd></div></dl>"


@pytest.mark.parametrize(
    ("data", "kind"), [(b"\x89PNG\r\n\x1a\n..", "image/png"), (b"\xff\xd8\xff..", "image/jpeg")]
)
def test_a_picture_carries_its_bytes(data, kind):
    coded = base64.b64encode(data).decode()

    assert picture(data, "film") == f'<img src="data:{kind};base64,{coded}" alt="film">'


def test_other_bytes_are_no_picture():
    with pytest.raises(InputError, match="PNG or JPEG"):
        picture(b"<svg onload='alert(1)'>", "film")


def test_a_long_page_has_contents_and_a_short_one_has_none():
    parts = [section(f"{word} & more", element("p", "x")) for word in "ABCD"]
    found = page("a", element("h1", "a"), *parts)
    assert found.index('<nav class="contents"') < found.index('<section id="part-1">')
    assert '<a href="#part-4">D &amp; more</a>' in found
    assert "<nav" not in page("a", *parts[:3])


def test_a_script_runs_only_by_its_digest():
    found = page("a", element("p", "c"), script="alert(1)")
    (script,) = re.findall("<script>(.*?)</script>", found, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in found
    assert script.endswith("alert(1)")


def test_a_page_names_its_language_and_allows_nothing_from_outside():
    found = page("a < b", element("p", "c"))

    assert found.startswith('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">')
    assert "<title>a &lt; b</title>" in found
    assert "default-src &#x27;none&#x27;" in found
    assert "width=device-width" in found
