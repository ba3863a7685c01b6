"""What all scenarios share: figures, contenders and API servers, each started when it is first asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.api import ApiServer, Waiting, api_server
from tests.bench.contenders import Contender, Stage, Started
from tests.bench.events import Approvals
from tests.bench.figures import Figures
from tests.bench.half_core import Limit
from tests.bench.wire import Job, Wire, WireError, drive

FULL_CRD = "full CRD"
_FAILURES = 3  # of one contender in one scenario; then it is left out


@dataclass
class Lab:
    """One run.

    Args:
        tools: of the real API server; None for the embedded one.
        folder: for logs and state; empty.
        owner: ends everything that was started.
    """

    figures: Figures
    stage: Stage
    tools: Path | None
    folder: Path
    owner: ExitStack
    approvals: Approvals = field(default_factory=Approvals)
    _servers: dict[str, ApiServer] = field(default_factory=dict)
    _failures: Counter[tuple[str, str]] = field(default_factory=Counter)
    _fleets: dict[int, list[Waiting]] = field(default_factory=dict)
    _logs: int = 0

    def server(self, name: str = "shared") -> ApiServer:
        """The API server of this name, started when it is first asked for; FULL_CRD has Argo's full CRD."""
        if name not in self._servers:
            crd = "full" if name == FULL_CRD else "minimal"
            self._servers[name] = self.owner.enter_context(api_server(self.folder / name, self.tools, crd))
            if self.tools and self._servers[name].view.holder is None:
                self.figures.note("The function was started with a kubeconfig: there could be no pod's view here.")
        return self._servers[name]

    def fleet(self, size: int) -> tuple[ApiServer, list[Waiting]]:
        """An API server with exactly so many Workflows, all waiting; whoever opens gates puts the list right."""
        server = self.server(f"{size} Workflows")
        if size not in self._fleets:
            self._fleets[size] = []
        fleet = self._fleets[size]
        if len(fleet) < size:
            fleet += server.add(size - len(fleet))
        return server, fleet

    def log_file(self) -> Path:
        """A file that nobody has."""
        self._logs += 1
        return self.folder / f"{self._logs:04}.log"

    def failures(self) -> int:
        """How often a contender failed."""
        return self._failures.total()

    def attempt(self, scenario: str, who: str, work: Callable[[], object]) -> None:
        """Measure one contender once; when it fails that is noted, and the others go on."""
        if self._failures[scenario, who] >= _FAILURES:
            return
        try:
            work()
        except (OSError, WireError, AssertionError, ValueError) as error:
            self._failures[scenario, who] += 1
            words = " ".join(str(error).split())[:300].rstrip(".")
            self.figures.note(f"{who} failed in `{scenario}`: {words}.")

    @contextmanager
    def started(self, contender: Contender, limit: Limit | None = None) -> Iterator[Started]:
        """A contender, as long as the block runs.

        Raises: WireError, with the end of its log, when the block could not speak with it.
        """
        started = contender.start(self.log_file(), limit)
        try:
            yield started
        except (WireError, OSError) as error:
            raise WireError(f"{error} Its log ends: {started.child.said()}") from error
        finally:
            started.child.end()


def drive_all(dial: Callable[[], Wire], at_once: int, jobs: Sequence[Job]) -> list[float]:
    """Do these jobs on so many kept connections.

    Args:
        dial: gives a new connection.

    Returns: the seconds of each.
    """
    wires = [dial() for _ in range(at_once)]
    try:
        return drive(wires, jobs)
    finally:
        for wire in wires:
            wire.close()
