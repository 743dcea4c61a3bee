"""The pictures of README and docs, taken of the real thing: `make pictures`.

    python -m tests.serve.pictures DEMO FOLDER

DEMO is what `make demo` has left. Chromium and chromedriver have to be there.
"""

from __future__ import annotations

import base64
import html
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.serve.browser import Browser, free_port

DESKTOP, PHONE, PAGE = (1280, 800), (390, 844), (1100, 900)
LONGEST_START = 60
TERMINAL = (
    "<!doctype html><meta charset=utf-8><style>body{{margin:0;background:#14171b}}"
    "pre{{margin:0;padding:1.25rem;color:#e4e7eb;font:13px/1.5 ui-monospace,Menlo,Consolas,"
    "'DejaVu Sans Mono',monospace;white-space:pre-wrap}}</style><pre>{}</pre>"
)


@contextmanager
def served(model: Path) -> Iterator[str]:
    """Serve a model until the block ends; give its address."""
    port = free_port()
    command = [Path(sys.executable).with_name("spark-cxr"), "serve", "--model", model]
    with subprocess.Popen([*map(str, command), "--port", str(port)]) as server:
        address, ends = f"http://127.0.0.1:{port}", time.monotonic() + LONGEST_START
        while True:
            try:
                urlopen(f"{address}/health", timeout=5).close()
                break
            except (URLError, ConnectionError):
                if time.monotonic() > ends:
                    raise
                time.sleep(0.2)
        try:
            yield address
        finally:
            server.terminate()


def take(browser: Any, file: Path) -> None:
    """Write what the window shows."""
    taken = browser.devtools("Page.captureScreenshot", {"format": "png"})
    file.write_bytes(base64.b64decode(taken["data"]))


def take_page(
    browser: Any, address: str, films: list[Path], size: tuple[int, int], file: Path
) -> None:
    """Show films to the page, and take it when the heat is there."""
    browser.open(address, size)
    browser.wait("return document.querySelectorAll('#card dt').length")
    browser.type("#files", "\n".join(map(str, films)))
    waits = "return !document.querySelector('#totals').innerText.includes('waiting')"
    browser.wait(waits)
    browser.wait("return !document.querySelector('#heat').hidden")
    time.sleep(0.5)
    take(browser, file)


def said(demo: Path, folder: Path) -> str:
    """Train once more, and give what the terminal showed."""
    command = ["spark-cxr", "train-lr", "--images", "demo/phantoms"]
    command += ["--labels", "demo/phantoms/manifest.csv", "--out", "R", "--see", "lungs", "--tune"]
    real = [str(demo / "phantoms") if word == "demo/phantoms" else word for word in command]
    real[5], real[7] = str(demo / "phantoms" / "manifest.csv"), str(folder / "R")
    real[0] = str(Path(sys.executable).with_name("spark-cxr"))
    done = subprocess.run(real, capture_output=True, text=True, check=True)
    told = done.stderr.replace(str(folder / "R"), "R").replace(f"{demo}/", "demo/")
    # On a terminal a stage takes the place of its own line.
    told = re.sub(r"^.* … \d+ s\n", "", told, flags=re.MULTILINE)
    return f"$ {' '.join(command)}\n{told}"


def main() -> None:
    """Take all of them."""
    demo, target = (Path(word).resolve() for word in sys.argv[1:])
    films = sorted((demo / "phantoms" / "COVID-19").glob("*.png"))[:1]
    more = sorted((demo / "phantoms").glob("*/*.jpg"))[:4]
    with TemporaryDirectory() as work, served(demo / "train_lr" / "model") as address:
        folder = Path(work)
        browser = Browser(folder / "browser")
        try:
            take_page(browser, address, [*films, *more], DESKTOP, target / "page.png")
            take_page(browser, address, films, PHONE, target / "page_phone.png")
            browser.open((demo / "train_lr" / "report.html").as_uri(), PAGE)
            take(browser, target / "report.png")
            shown = folder / "terminal.html"
            shown.write_text(TERMINAL.format(html.escape(said(demo, folder))), encoding="utf-8")
            browser.open(shown.as_uri(), PAGE)
            take(browser, target / "terminal.png")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
