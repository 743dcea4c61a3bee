"""Elements of a page: everything that is not markup already is escaped.

The page carries all it needs: no font, no address is ever asked for anything, and a content policy
in its head forbids it to be otherwise. A script runs only if it is the page's own, by its digest.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from itertools import count

from spark_cxr.errors import InputError
from spark_cxr.metrics.wording import printable
from spark_cxr.report import live
from spark_cxr.report.style import CSS

VOID = {"meta", "img", "br", "hr", "input"}
"""Elements of HTML that have no content and no end."""

FEWEST_CONTENTS = 4
"""Parts of a page from which on it has contents."""
ON_PAPER = (
    "This is the report in short, as it prints. The page itself, report.html, also has all films "
    "and rows, and how it was made."
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Html(str):
    """Text that is markup and safe; plain `str` is not, and gets escaped."""

    __slots__ = ()


Content = str | Html


def element(tag: str, *children: Content, **attributes: str) -> Html:
    """Build an element.

    Args:
        tag: Its name.
        children: `Html` goes in as it is, any other text is escaped.
        attributes: Escaped; `class_` stands for class, and _ for - inside a name.
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_escape(value)}"'
        for name, value in attributes.items()
    )
    if tag in VOID:
        return Html(f"<{tag}{named}>")
    return Html(f"<{tag}{named}>{join(children)}</{tag}>")


def join(children: Iterable[Content]) -> Html:
    """Put contents behind each other."""
    return Html("".join(child if isinstance(child, Html) else _escape(child) for child in children))


def section(heading: str, *children: Content) -> Html:
    """Build a part of the page under a heading of the second level."""
    return element("section", element("h2", heading), *children)


def on_screen(*parts: Html) -> Html:
    """Keep parts of a page from paper; a page that has such says there that it is in short."""
    return element("div", *parts, class_="screen") if any(parts) else Html("")


def table(
    caption: str,
    headings: Sequence[Content],
    rows: Iterable[Sequence[Content]],
    numbers_from: int = 1,
    class_: str = "wide",
) -> Html:
    """Build a table whose first column names its rows.

    Args:
        caption: What the table says, read out before it.
        headings: One a column.
        rows: As long as `headings`.
        numbers_from: The first column that is aligned as numbers.
        class_: Of the box around it: "wide", or "wide dense" for many columns.
    """
    kinds = ["" if place < numbers_from else "number" for place in range(len(headings))]
    head = element("tr", *(_cell("th", *each, "col") for each in zip(headings, kinds, strict=True)))
    body = (
        element(
            "tr",
            _cell("th", row[0], "", "row"),
            *(_cell("td", *each) for each in zip(row[1:], kinds[1:], strict=True)),
        )
        for row in rows
    )
    whole = element(
        "table", element("caption", caption), element("thead", head), element("tbody", *body)
    )
    # Wide tables scroll by themselves on a phone, and by keyboard.
    return element("div", whole, class_=class_, role="region", aria_label=caption, tabindex="0")


def facts(rows: Iterable[tuple[Content, Content]]) -> Html:
    """Build a list of names and what they are."""
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in rows)
    return element("dl", *pairs)


def figure(picture: Content, caption: Content, class_: str = "plot") -> Html:
    """Build a picture with its caption."""
    return element("figure", picture, element("figcaption", caption), class_=class_)


def picture(data: bytes, alt: str) -> Html:
    """Build an image that carries its own bytes.

    Raises:
        InputError: The bytes are neither PNG nor JPEG.
    """
    coded = base64.b64encode(data).decode("ascii")
    return element("img", src=f"data:{_media_type(data)};base64,{coded}", alt=alt)


def page(title: str, *children: Content, script: str = "") -> str:
    """Wrap contents into a whole document, with a script of its own besides that of all pages."""
    script = f"{live.SCRIPT}{script}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    policy = f"{POLICY}; script-src 'sha256-{digest}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("title", title),
        element("style", Html(CSS)),
    )
    whole = _with_contents(join(children))
    in_short = '<div class="screen">' in whole
    paper = [element("p", ON_PAPER, class_="paper")] if in_short else []
    main = element("main", whole, *paper)
    body = element("body", main, element("script", Html(script)))
    kind = {"class_": "short"} if in_short else {}
    return f"<!doctype html>\n{element('html', head, body, lang='en', **kind)}\n"


def _with_contents(main: Html) -> Html:
    """Number the parts of a page, and list them before the first where there are many."""
    headings = re.findall(r"<section><h2>(.*?)</h2>", main)
    if len(headings) < FEWEST_CONTENTS:
        return main
    numbers = count(1)
    parts = re.sub(r"<section>(?=<h2>)", lambda _: f'<section id="part-{next(numbers)}">', main)
    links = (
        element("li", element("a", Html(re.sub("<[^>]*>", "", heading)), href=f"#part-{number}"))
        for number, heading in enumerate(headings, 1)
    )
    contents = element("nav", element("ul", *links), class_="contents", aria_label="Contents")
    return Html(parts.replace("<section id", f"{contents}<section id", 1))


def _cell(tag: str, content: Content, kind: str, scope: str = "") -> Html:
    attributes = {"class_": kind, "scope": scope}
    return element(tag, content, **{name: value for name, value in attributes.items() if value})


def _escape(text: str) -> str:
    return html.escape(printable(text))


def _media_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    raise InputError(
        "A thumbnail as PNG or JPEG", f"bytes that start {data[:8]!r}", "Encode it as PNG first"
    )
