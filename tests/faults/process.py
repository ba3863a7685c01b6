"""The function as a process of its own, `python -m func serve`, which can be killed and started again on its port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.payloads import Request

_START_SECONDS = 120
_KEPT_LINES = 200
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class Served:
    """The process, while `with` lasts.

    Args:
        kubeconfig: of the cluster.
        settings: further environment.
    """

    def __init__(self, kubeconfig: Path, **settings: str) -> None:
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._environment = kept | {"KUBECONFIG": str(kubeconfig)} | settings
        self.port = 0
        self.log: deque[str] = deque(maxlen=_KEPT_LINES)
        self.tracebacks: list[str] = []
        self._listens = threading.Event()

    def start(self) -> None:
        """Returns when it listens; a second start takes the same port."""
        self._listens.clear()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "func", "serve", "--port", str(self.port)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="function-log", daemon=True)
        self._reader.start()
        assert self._listens.wait(_START_SECONDS), "\n".join(self.log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """Resident bytes."""
        return self._status("VmRSS")

    def highest_memory(self) -> int:
        """The most resident bytes that it ever had."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(name)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self.wait()

    def kill_from_outside(self) -> None:
        """kill -9, by a thread that must not wait for the end."""
        self._process.kill()

    def wait(self, seconds: float = 120.0) -> int:
        """Returns its exit code, when it has ended."""
        code = self._process.wait(seconds)
        self._reader.join()
        assert self._process.stderr
        self._process.stderr.close()
        return code

    def send(self, request: Request, timeout: float = 120.0) -> tuple[int, Mapping[str, str], bytes] | None:
        """Post an event, on a connection of its own.

        Returns: status, headers and body; None where there is no answer.
        """
        headers, body = request
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            answer = response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
            connection.close()
            return answer
        connection.close()
        return None

    def _read(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.log.append(line)
            if "Taskgate listens on " in line:
                self.port = json.loads(line)["attributes"]["server.port"]
                self._listens.set()
            elif "Traceback" in line:
                self.tracebacks.append(line)
        self._listens.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
