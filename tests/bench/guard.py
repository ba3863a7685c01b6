"""What the function imports and asks of the API until its first gate is open, held to a list: no clock is needed.

`python -m tests.bench.guard` writes the list anew. tests/service/test_api_calls.py has the calls of each outcome.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from func.devcluster import WORKFLOWS, EmbeddedCluster, Identity
from tests.bench.importtime import imports
from tests.bench.installation import ROOT, NotThere
from tests.bench.pod import AUTHORIZATION, pod_view
from tests.bench.processes import Child
from tests.bench.wire import Job, WireError, connect, request
from tests.cluster.processes import free_port
from tests.payloads import approved, cloudevent_structured
from tests.recorded_workflows import waiting_workflow

LIST = Path(__file__).with_name("guard.txt")
_TOKEN = "of-the-pod"
_CERTIFICATE = ROOT / "tests" / "data" / "loopback.pem"  # with its key; for 127.0.0.1 and tests alone
COMMAND = "python -m tests.bench.guard"
_HEAD = f"""\
# What is imported from the start of `serve` until the gate of the first event is open, and which calls are made.
# Modules of the project and of packages each; of the standard library the packages only. `{COMMAND}` writes it.
"""


def python() -> str:
    """The version that a list is good for."""
    return f"python {sys.version_info.major}.{sys.version_info.minor}"


def see(app: Path, *more: Path) -> list[str]:
    """Start the function as a pod does, send it one event, and look.

    Args:
        app: the folder with func/.
        more: where else modules are looked for.

    Returns: the lines of the list.
    Raises: NotThere, where there can be no pod; WireError, when it does not open the gate.
    """
    path = os.pathsep.join(str(each) for each in more)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path}
    flags = [sys.executable, "-X", "importtime"]
    bare = subprocess.run([*flags, "-c", "pass"], env=environment, capture_output=True, text=True, check=True).stderr
    with tempfile.TemporaryDirectory() as name, _cluster() as cluster, ExitStack() as stack:
        folder, port = Path(name), free_port()
        view = stack.enter_context(pod_view(folder / "pod", cluster.port, _CERTIFICATE, _TOKEN))
        if view is None:
            raise NotThere("no pod can run without user namespaces: run as root, or allow them to users")
        command = [*view.enter(app), *flags, "-m", "func", "serve", "--port", str(port)]
        child = stack.enter_context(Child(command, environment | view.settings, app, folder / "log"))
        headers, body = cloudevent_structured(approved())
        try:
            with connect(port) as wire:
                sent = request("POST", "/", headers | {"authorization": AUTHORIZATION}, body)
                Job([sent], b'"opened"').run(wire)
        except (WireError, OSError) as error:
            raise WireError(f"{error} Its log ends: {child.said()}") from error
        child.end()
        log = child.log()
        calls = [f"call {method}" for method, _ in cluster.requests]
    before = {module for module, _ in imports(bare)}
    return [python(), *calls, *lines({module for module, _ in imports(log)} - before)]


@contextmanager
def _cluster() -> Iterator[EmbeddedCluster]:
    """The embedded API as a pod reaches the real one: with TLS, and for those with a token."""
    cluster = EmbeddedCluster(controller=False)
    config = cluster._server.config
    config.ssl_certfile = config.ssl_keyfile = str(_CERTIFICATE)
    cluster.tokens[_TOKEN] = Identity("system:serviceaccount:taskgate:taskgate")
    cluster.store.load(WORKFLOWS, waiting_workflow(3))
    with cluster:
        yield cluster


def lines(modules: set[str]) -> list[str]:
    """Modules as they stand in the list."""
    standard = {module.partition(".")[0] for module in modules} & sys.stdlib_module_names
    others = {module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names}
    # What is behind the standard library's doors changes with every release of Python.
    return [
        *(f"standard {module}" for module in sorted(standard) if not module.startswith("_")),
        *(f"module {module}" for module in sorted(others)),
    ]


def difference(listed: list[str], seen: list[str]) -> str:
    """What has to be decided, in words; empty where the two are the same."""
    came = [line for line in seen if line not in listed]
    gone = [line for line in listed if line not in seen]
    calls = [[line for line in each if line.startswith("call ")] for each in (listed, seen)]
    words = []
    if came:
        words.append(
            f"New before the first event: {', '.join(came)}. Each start from zero waits for it: import it inside the "
            "function that needs it."
        )
    if calls[0] != calls[1]:
        words.append(f"The first event makes other calls: {', '.join(calls[1])}; they were {', '.join(calls[0])}.")
    if gone:
        words.append(f"No longer there: {', '.join(gone)}.")
    return f"{' '.join(words)} If it is meant, `{COMMAND}` writes it down." if words else ""


def read(file: Path = LIST) -> list[str]:
    """The list."""
    return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def main() -> None:
    """Write the list."""
    LIST.write_text(_HEAD + "\n".join(see(ROOT)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
