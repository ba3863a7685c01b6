"""Chromium, driven over the WebDriver protocol.

Source: https://www.w3.org/TR/webdriver2/ and https://chromedriver.chromium.org/
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import urllib3

_INSTALL = Path(__file__).with_name("install")
_SECONDS = 20
_START_SECONDS = 120  # on a machine that has much else to do
_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_KEYS = {
    "Tab": 9,
    "Enter": 13,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


def find_axe() -> str:
    """The text of axe-core; the test that asks is skipped where it or a browser is missing."""
    found = subprocess.run([_INSTALL, "--where"], text=True, capture_output=True, check=False)
    if found.returncode == 0:
        return Path(found.stdout.strip(), "axe.min.js").read_text(encoding="utf-8")
    missing = f"the board is not tried in a browser: {found.stderr.strip()}; run 'tests/board/install'"
    if os.environ.get("TASKGATE_REQUIRE_BROWSER") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


class Browser:
    """One window of a fresh profile."""

    def __enter__(self) -> Self:
        self._profile = tempfile.mkdtemp(prefix="taskgate-chromium-")
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            self._pool = urllib3.PoolManager(timeout=_START_SECONDS, retries=False)
            self._url = f"http://127.0.0.1:{self._port()}/session"
            arguments = [*_ARGUMENTS, f"--user-data-dir={self._profile}"]
            options = {"args": arguments, "binary": shutil.which("chromium")}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            session = self._send("POST", "", {"capabilities": {"alwaysMatch": wanted}})
            self._url += f"/{session['sessionId']}"
            self._send("POST", "/timeouts", {"script": _SECONDS * 1000})
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._send("DELETE", "", None)
        self._end()

    def _end(self) -> None:
        os.killpg(self._driver.pid, signal.SIGTERM)
        self._driver.communicate()
        shutil.rmtree(self._profile, ignore_errors=True)  # its processes may still be writing

    def _port(self) -> int:
        for line in self._driver.stdout or ():
            match = re.search(r"started successfully on port (\d+)", line)
            if match:
                return int(match[1])
        raise AssertionError("chromedriver has ended")

    def _send(self, method: str, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON
        data = None if body is None else json.dumps(body)
        answer = self._pool.request(method, self._url + path, body=data, headers={"Content-Type": "application/json"})
        value = answer.json()["value"]
        assert answer.status == 200, f"{value['error']}: {value['message']}"
        return value

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self._send("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """What a script returns; of a promise, what comes of it."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def until(self, condition: str, *arguments: object) -> Any:  # noqa: ANN401 - any JSON
        """Wait until this expression is true, looked at before each frame; what it is then."""
        script = f"""
            const done = arguments[arguments.length - 1], args = [...arguments].slice(0, -1);
            const look = () => {{
              const found = (({condition}));
              found ? done(found) : requestAnimationFrame(look);
            }};
            look();
        """
        return self._send("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def press(self, *names: str) -> None:
        """Keys, one after another."""
        for name in names:
            key = {"key": name, "code": name, "windowsVirtualKeyCode": _KEYS[name]}
            self.command("Input.dispatchKeyEvent", type="rawKeyDown", **key)
            self.command("Input.dispatchKeyEvent", type="keyUp", **key)

    def type(self, text: str) -> None:
        """Text, to where the focus is."""
        self.command("Input.insertText", text=text)

    def size(self, width: int, height: int, scheme: str = "light") -> None:
        """Of the window, in CSS pixels, and whether the system is light or dark."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.command("Emulation.setEmulatedMedia", features=features)

    def command(self, name: str, **parameters: object) -> Any:  # noqa: ANN401 - any JSON
        """A command of the DevTools protocol: https://chromedevtools.github.io/devtools-protocol/"""
        return self._send("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def complaints(self) -> list[str]:
        """What the console has said since it was asked last."""
        return [str(entry["message"]) for entry in self._send("POST", "/se/log", {"type": "browser"})]
