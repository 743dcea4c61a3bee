"""A page read as a browser would: elements in order, addresses, ids and text."""

import re
from html.parser import HTMLParser

import pytest

from spark_cxr.report.html import VOID


class Outline(HTMLParser):
    """Checks that elements close in order; keeps tags, addresses and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.ids, self.text = [], [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [
            value
            for name, value in attrs
            if name in ("src", "href", "xlink:href", "action") and not value.startswith("#part-")
        ]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text += f"{data} "


def read(page):
    """Read a whole page; spaces of any width become one."""
    found = Outline()
    found.feed(page)
    found.close()
    assert found.open == []
    found.text = re.sub(r"\s+", " ", found.text.replace("\u202f", " "))
    return found


def rendered(markdown):
    """Read Markdown as a viewer does that lets HTML through."""
    commonmark = pytest.importorskip("markdown_it")
    return commonmark.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)
