"""Bodies that no good client sends, and clients that send them."""

import asyncio
import base64
import io
import json
import random
import struct
import time
import zlib
from collections import Counter
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from tests.images.mutated import SOURCES, mutated

LINE = "limit-0123"
GOOD_STATUSES = {200, 400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 503}
CLOSED = 0
"""In place of a status: the server has closed the connection without an answer."""


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bombs():
    """Give small files that promise or become large ones."""
    rows = zlib.compress(b"\0" * (1 << 24), 9)
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    honest = struct.pack(">IIBBBBB", 4000, 4000, 8, 0, 0, 0, 0)
    begin, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * (1 << 26), 9))
    return [
        begin + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + end,
        begin + chunk(b"IHDR", honest) + chunk(b"IDAT", rows) + end,
        begin + chunk(b"IHDR", honest) + text + chunk(b"IDAT", rows) + end,
        b"[" * 200_000,
        b'{"images": [' + b'"",' * 40_000 + b'""]}',
        b'{"image": ' + b"9" * 100_000 + b"}",
        b"\r\n\r\n--" * 50_000,
    ]


def many_scans(side=1500, scans=400):
    """Give a small progressive JPEG that takes seconds, because each scan goes over all pixels."""
    written = io.BytesIO()
    grey = Image.fromarray(np.full((side, side), 128, np.uint8))
    grey.save(written, "JPEG", progressive=True)
    data = written.getvalue()
    begins = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    return data[:-2] + data[begins[-1] : -2] * (scans - len(begins)) + data[-2:]


def requests(model, seed, many, more=()):
    """Give many requests as (path, headers, body), broken in one way or another."""
    draw = np.random.default_rng(seed)
    names, large = list(SOURCES), [*bombs(), *more]
    for number in range(many):
        film = SOURCES[names[number % len(names)]]
        broken = mutated(film, draw) if number % 5 else film
        if number % 97 == 0:
            broken = large[(number // 97) % len(large)]
        yield _dressed(model, broken, draw)


def _dressed(model, image, draw):
    """Put an image into one of the forms, and break some of the forms too."""
    text = base64.b64encode(image).decode()
    part = f'--{LINE}\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n'.encode()
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [text]}
    forms = [
        ("/predict", "image/png", image),
        ("/predict?film=1", "application/dicom", image),
        ("/predict?explain=1", "", image),
        ("/grey-values", "", image),
        ("/predict", "application/json", image),
        ("/predict", f"multipart/form-data; boundary={LINE}", image),
        ("/predict", "application/json", json.dumps({"images": [text, text]}).encode()),
        (
            "/predict",
            f"multipart/form-data; boundary={LINE}",
            part + image + f"\r\n--{LINE}--".encode(),
        ),
        ("/invocations", "application/json", json.dumps({"inputs": [text]}).encode()),
        ("/invocations", "text/csv", image),
        (
            f"/v2/models/{model}/infer",
            "application/json",
            json.dumps({"inputs": [tensor]}).encode(),
        ),
    ]
    path, kind, body = forms[draw.integers(len(forms))]
    if body is not image and draw.integers(2):
        body = mutated(body, draw)
    return path, kind, body


async def attack(port, asked, clients=8):
    """Send all of it with several clients; count what they got."""
    waiting, found = iter(list(asked)), Counter()

    async def client(number):
        roll = random.Random(number)
        for path, kind, body in waiting:
            found[await _sent(port, path, kind, body, roll)] += 1

    await asyncio.gather(*(client(number) for number in range(clients)))
    return found


async def _sent(port, path, kind, body, roll):
    """Send one request, now and then with a length that is wrong, and read its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = len(body) + (roll.choice([-7, 7, 10**6, 10**12]) if roll.random() < 0.04 else 0)
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}"]
    head = "\r\n".join([*lines, f"Content-Length: {length}", "", ""])
    try:
        writer.write(head.encode() + body)
        if roll.random() < 0.03:
            return CLOSED  # the client breaks off
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 60)
        return int(answer.split()[1])
    except (ConnectionError, asyncio.IncompleteReadError):
        return CLOSED
    finally:
        writer.close()


BEGINNINGS = (
    "GET /health HTTP/1.1\r\nHost: localhost\r\n",
    "GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n",
    "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n",
    "POST /predict HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9999\r\n\r\n",
    "GET /static/page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100,
)
"""Of requests that never end, or whose answers are never read."""


async def dawdle(port, number, pause=1.0):
    """Keep a connection from ending for as long as the server lets one, again and again."""
    while True:
        address = f"127.0.0.{2 + number % 4}", 0
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=address)
        except OSError:
            await asyncio.sleep(pause)
            continue
        try:
            writer.write(BEGINNINGS[number % len(BEGINNINGS)].encode())
            while not writer.is_closing():
                await asyncio.sleep(pause)
                writer.write(b"1\r\n")
        finally:
            writer.transport.abort()


class Bystander:
    """Sends good films, one after the other, and notes what came of each and how long it took."""

    def __init__(self, port, films, expected):
        self.port, self.films, self.expected = port, films, expected
        self.statuses, self.seconds, self.furthest = Counter(), [], 0.0

    async def ask(self, many, pause):
        """Ask many times; where the server says so, come again."""
        for number in range(many):
            while not await asyncio.to_thread(self._is_answered, number % len(self.films)):
                await asyncio.sleep(1)
            await asyncio.sleep(pause)

    def _is_answered(self, number):
        began = time.monotonic()
        request = Request(f"http://127.0.0.1:{self.port}/predict", self.films[number])
        try:
            with urlopen(request, timeout=60) as answer:
                told = json.load(answer)["predictions"][0]["probabilities"]
                status = answer.status
        except HTTPError as error:
            with error:
                self.statuses[error.code] += 1
                if error.code != 503:
                    raise
            return False
        self.seconds.append(time.monotonic() - began)
        self.statuses[status] += 1
        wanted = self.expected[number]
        self.furthest = max([self.furthest, *(abs(told[k] - wanted[k]) for k in wanted)])
        return True
