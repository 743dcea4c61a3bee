"""Chromium without a window, driven over the WebDriver protocol: a page as people meet it."""

import base64
import json
import shutil
import socket
import subprocess
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
DRIVER = shutil.which("chromedriver")
SIZES = {"phone": (390, 844), "tablet": (820, 1180), "laptop": (1366, 768), "large": (1920, 1080)}
PATIENCE_S = 30
KEY = "element-6066-11e4-a52e-4f735466cecf"
"""By which the protocol marks an element."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    """One window; elements are named by CSS selectors."""

    def __init__(self, folder):
        port = free_port()
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._root = f"http://127.0.0.1:{port}"
        self._begin(folder)

    def _begin(self, folder):
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        chrome = {
            "binary": CHROMIUM,
            "args": [*flags, f"--user-data-dir={folder / 'profile'}"],
            "prefs": {"download.default_directory": str(self.downloads)},
        }
        wanted = {"goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL"}}
        ends = time.monotonic() + PATIENCE_S
        while True:
            try:
                told = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
                break
            except (URLError, ConnectionError):
                assert time.monotonic() < ends, "chromedriver does not answer"
                time.sleep(0.1)
        self._root += f"/session/{told['sessionId']}"

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._root + path, data, {"Content-Type": "application/json"})
        request.method = method
        try:
            with urlopen(request, timeout=2 * PATIENCE_S) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def close(self):
        try:
            self._ask("DELETE", "")
        finally:
            self._process.terminate()
            self._process.wait()

    def open(self, url, size=(1280, 900), dark=False):
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.devtools("Emulation.setEmulatedMedia", {"features": features})
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.devtools("Emulation.setDeviceMetricsOverride", screen)
        self._ask("POST", "/url", {"url": url})

    def devtools(self, command, parameters):
        body = {"cmd": command, "params": parameters}
        return self._ask("POST", "/goog/cdp/execute", body)

    def run(self, script, *words):
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(words)})

    def run_async(self, script, *words):
        return self._ask("POST", "/execute/async", {"script": script, "args": list(words)})

    def _element(self, selector):
        body = {"using": "css selector", "value": selector}
        return self._ask("POST", "/element", body)[KEY]

    def click(self, selector):
        self._ask("POST", f"/element/{self._element(selector)}/click", {})

    def type(self, selector, text):
        self._ask("POST", f"/element/{self._element(selector)}/value", {"text": text})

    def press(self, keys):
        """Press keys one after the other, wherever the focus is."""
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        actions = [{"type": "key", "id": "keyboard", "actions": pressed}]
        self._ask("POST", "/actions", {"actions": actions})

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).innerText", selector)

    def is_shown(self, selector):
        return self.run(
            "const e = document.querySelector(arguments[0]); return !!e && e.checkVisibility()",
            selector,
        )

    def wait(self, script, *words):
        """Wait until a script gives something true, and give it."""
        ends = time.monotonic() + PATIENCE_S
        while not (found := self.run(script, *words)):
            assert time.monotonic() < ends, f"never true: {script}"
            time.sleep(0.03)
        return found

    def console(self):
        told = self._ask("POST", "/se/log", {"type": "browser"})
        return [line["message"] for line in told if line["level"] in ("SEVERE", "WARNING")]

    def picture(self):
        """Take the whole page as PNG."""
        taken = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(taken["data"])
