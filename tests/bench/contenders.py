"""Who is measured: the function as its container runs it, and its peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.half_core import Limit
from tests.bench.installation import Installation
from tests.bench.pod import View
from tests.bench.processes import Child
from tests.cluster.processes import free_port
from tests.recorded_workflows import NAMESPACE

TASKGATE = "Taskgate"
BARE = "two bare API calls"
BARE_APART = "two bare API calls, 1 ms of work before each"
GO = "Go, client-go"
WSGI = "hello world, WSGI"
ASGI = "hello world, ASGI"
WSGI_PACKAGES = "hello world with the same packages, WSGI"
ASGI_PACKAGES = "hello world with the same packages, ASGI"
HELLOS = {
    WSGI: ("plain.py",),
    ASGI: ("plain_asgi.py", "--asgi"),
    WSGI_PACKAGES: ("packages.py",),
    ASGI_PACKAGES: ("packages_asgi.py", "--asgi"),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that serves HTTP on PORT.

    Args:
        view: what it sees of the API server.
        opens: it opens gates; else it only answers.
    """

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    view: View
    opens: bool = True

    def start(self, log: Path, limit: Limit | None = None) -> Started:
        """Start it on a free port."""
        port = free_port()
        command = [*(limit.prefix if limit else ()), *self.view.enter(self.folder), *self.command]
        environment = {**self.environment, "PORT": str(port)}
        return Started(Child(command, environment, self.folder, log, limit.cgroup if limit else None), port)


@dataclass(frozen=True, slots=True)
class Started:
    """One that runs."""

    child: Child
    port: int


@dataclass(frozen=True, slots=True)
class Stage:
    """What the contenders are started with.

    Args:
        go: the binary; None where there is none.
    """

    installation: Installation
    go: Path | None = field(default=None)

    def taskgate(self, view: View, *flags: str, config: Path | None = None) -> Contender:
        """The container's command, on loopback.

        Args:
            flags: of Python.
            config: gates.yaml; None for the rules built in.
        """
        settings = view.settings | ({"TASKGATE_CONFIG": str(config)} if config else {})
        command: list[str | Path] = [self.installation.python, *flags, "-m", "func", "serve", "--host", "127.0.0.1"]
        return Contender(TASKGATE, command, self.installation.environment | settings, self.installation.app, view)

    def hello(self, name: str, view: View) -> Contender:
        """One of the hello worlds, as `functions-framework` runs it in production."""
        source, *flags = HELLOS[name]
        framework = self.installation.venv / "bin" / "functions-framework"
        command: list[str | Path] = [framework, "--source", source, "--target", "hello", "--host", "127.0.0.1", *flags]
        environment, folder = self.installation.environment, self.installation.hello
        return Contender(name, command, environment, folder, view, opens=False)

    def go_function(self, view: View) -> list[Contender]:
        """The function in Go; none where it could not be built."""
        if not self.go:
            return []
        environment = view.settings | {"NAMESPACE": NAMESPACE, "PATH": self.installation.environment["PATH"]}
        return [Contender(GO, [self.go], environment, self.installation.app, view)]
