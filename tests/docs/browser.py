r"""Chromium without a window, driven over its DevTools protocol through two pipes.

The protocol exchanges JSON that ends with a zero byte: commands with an `id`, answers with the
same `id`, and events without one. No package is needed for pipes.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import itertools
import json
import os
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium's sandbox can not start as root, as in containers.
OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run"),
    *("--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
)


def find_chromium() -> str | None:
    r"""Returns the path of Chromium, or `None` if it is not installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    r"""Serves a folder on this machine as `python -m http.server` does, and yields its address."""
    handler = functools.partial(_Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Browser:
    r"""A page of Chromium.

    Attributes:
        errors: What went wrong on the page: errors of scripts, of the console and of requests.
    """

    def __init__(self, process: subprocess.Popen, read: int, write: int) -> None:
        self.process, self.read, self.write = process, read, write
        self.errors: list[str] = []
        self._buffer, self._numbers, self._session = b"", itertools.count(1), ""
        self._selector = selectors.DefaultSelector()
        self._selector.register(read, selectors.EVENT_READ)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, timeout: float = 60, **params: Any) -> dict[str, Any]:
        r"""Runs a command of the protocol and returns its answer."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while (answer := self._next(end)).get("id") != number:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _next(self, end: float) -> dict[str, Any]:
        r"""Returns the next message of the browser."""
        while b"\0" not in self._buffer:
            if not self._selector.select(max(0, end - time.monotonic())):
                raise TimeoutError(f"The browser does not answer; its page said {self.errors}.")
            part = os.read(self.read, 1 << 16)
            if not part:
                raise RuntimeError(f"The browser ended with status {self.process.wait()}.")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def _note(self, event: dict[str, Any]) -> None:
        r"""Keeps what an event says of an error."""
        name, params = event.get("method"), event.get("params", {})
        if name == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors += [str(one.get("value", one)) for one in params["args"]]
        elif name == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif name == "Network.loadingFailed" and not params.get("canceled"):
            self.errors.append(f"a request failed: {params['errorText']}")

    def open(self, url: str) -> None:
        r"""Opens an address; a page that differs only behind `#` is loaded anew, too."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        r"""Returns the value of an expression of JavaScript on the page."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", expression=expression, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def wait(self, expression: str, timeout: float = 60) -> Any:
        r"""Returns the value of an expression as soon as it is true."""
        end = time.monotonic() + timeout
        while not (value := self.value(expression)):
            if time.monotonic() > end:
                status = self.value("document.querySelector('#status')?.textContent")
                raise TimeoutError(f"{expression} stays false; {status!r}, {self.errors}")
            time.sleep(0.05)
        return value

    def key(self, key: str) -> None:
        r"""Presses and releases a key, such as `"Tab"` or `"ArrowUp"`."""
        codes = {"Tab": 9, "Enter": 13, " ": 32}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = {"Enter": "\r", " ": " "}.get(key, "")
        options = {"key": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **options)
        self.call("Input.dispatchKeyEvent", type="keyUp", **options)

    def click(self, x: float, y: float) -> None:
        r"""Clicks at a pixel of the window."""
        options = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **options)

    def show_as(self, width: int, height: int, mobile: bool = False, **media: str) -> None:
        r"""Sets the size of the window and what the visitor prefers, such as `dark` colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in media.items()
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        r"""Writes a picture of the whole page as a PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.contextmanager
def browser(chromium: str, profile: Path) -> Iterator[Browser]:
    r"""Runs Chromium with an empty profile in a folder, and yields its page."""
    (their_read, write), (read, their_write) = os.pipe(), os.pipe()

    def connect() -> None:
        # Chromium reads commands from descriptor 3 and writes to 4.
        high = [os.dup(fd) for fd in (their_read, their_write)]
        for fd, number in zip(high, (3, 4), strict=True):
            os.dup2(fd, number)

    process = subprocess.Popen(
        [chromium, *OPTIONS, f"--user-data-dir={profile}"],
        preexec_fn=connect,
        pass_fds=(3, 4),
        stderr=subprocess.DEVNULL,
    )
    os.close(their_read)
    os.close(their_write)
    try:
        yield Browser(process, read, write)
    finally:
        process.terminate()
        process.wait(timeout=20)
        os.close(read)
        os.close(write)
