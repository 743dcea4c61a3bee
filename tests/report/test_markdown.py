"""Text from outside in Markdown: read back by two readers, it is the same text and nothing more."""

import json

import pytest

from spark_cxr.report.document import (
    Bullets,
    Cell,
    Chapter,
    Commands,
    Document,
    DocumentTable,
    Pairs,
)
from spark_cxr.report.document import Paragraph as Text
from spark_cxr.report.markdown import document_text, escaped, fenced, front_matter
from tests.report.outline import read, rendered

EVIL = [
    "<script>alert(1)</script>",
    "a | b || c",
    "`code` and ``more``",
    "![picture](http://evil.example/a.png)",
    "[link](javascript:alert(1))",
    "<http://evil.example>",
    "**bold** __bold__ *em* _em_ ~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "10) item",
    "> quote",
    "=====",
    "back\\slash \\| and end\\",
    "&lt;b&gt; &amp; &#60;",
    "$x^2$ No_findings a_b_c",
    "<!-- comment -->",
    "[^1]: note",
    ": definition",
]


@pytest.mark.parametrize("evil", EVIL)
def test_text_stays_text_wherever_it_stands(evil):
    document = Document(
        title=evil,
        eyebrow=evil,
        verdict=evil,
        warnings=(evil,),
        chapters=(
            Chapter(evil, (Text(evil), Bullets((evil,)), Pairs(((evil, evil),)))),
            Chapter(
                "Table", (DocumentTable(evil, (evil, "b"), ((Cell(evil), Cell(evil, evil)),)),)
            ),
        ),
        ending=evil,
    )
    page = read(rendered(document_text(document)))

    assert set(page.tags) <= {
        *("h1", "h2", "p", "strong", "ul", "li", "table", "thead", "tbody", "tr", "th", "td")
    }
    assert page.addresses == []
    assert page.tags.count("strong") == 1  # the notice
    assert page.tags.count("td") == 2 + 2
    assert page.text.count(evil) == 15


def test_lines_and_signs_that_no_page_may_hold_become_one_line():
    assert escaped("a\nb\r\n\tc\x00\u202ed") == "a b c\ufffd\ufffdd"
    assert escaped("a\n# b") == "a # b"


@pytest.mark.parametrize("text", ["75.6 %", "COVID-19", "No_findings", "3.5 x", "a: b"])
def test_plain_words_are_left_alone(text):
    assert escaped(text) == text


@pytest.mark.parametrize("address", ["https://a.example", "www.a.example", "someone@a.example"])
def test_no_viewer_makes_a_link_of_an_address(address):
    assert not {"://", "www.", "@"} & {
        sign for sign in ("://", "www.", "@") if sign in escaped(address)
    }
    assert read(rendered(escaped(address))).text.strip() == address


def test_a_command_cannot_end_its_fence():
    evil = "train --out '```'\n````\n# heading <b>"
    page = read(rendered(fenced([evil])))

    assert page.tags == ["pre", "code"]
    assert page.text.strip() == evil.replace("\n", " ")
    assert read(
        rendered(document_text(Document("t", "e", "v", (Chapter("c", (Commands((evil,)),)),))))
    )


def test_front_matter_is_yaml_of_the_same_values():
    yaml = pytest.importorskip("yaml")
    values = {"license": "mit", "tags": ["a: b", "---", 'q"uote\n'], "metrics": ["accuracy"]}
    lines = front_matter(values).splitlines()

    assert lines[0] == lines[-1] == "---"
    assert yaml.safe_load("\n".join(lines[1:-1])) == values
    assert json.loads(lines[1].partition(": ")[2]) == "mit"
