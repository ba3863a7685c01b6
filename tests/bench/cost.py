"""What events cost the machine: processor time and memory, of a function and of a process for each event."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.bench.api import GATE, Waiting
from tests.bench.contenders import Started
from tests.bench.lab import Lab, drive_all
from tests.bench.processes import spent
from tests.bench.wire import connect
from tests.recorded_workflows import NAMESPACE

COST = "cost"
CPU, MEMORY, SECONDS = "CPU seconds per 1,000 events", "peak MB", "seconds per event"
KUBECTL, RESUME, SCRIPT = "kubectl patch", "argo resume", "bash, kubectl and jq"
_EVENTS = 250  # a round; the kernel counts processor time in hundredths of a second
_PROCESSES = 8  # a round
_SCRIPT = Path(__file__).with_name("replaced.sh")
Command = Callable[[Waiting], Sequence[str | Path]]


def measure(lab: Lab, rounds: int) -> None:
    """Each contender in turn."""
    server = lab.server()
    commands = _commands(lab)
    with ExitStack() as stack:
        contenders = [lab.stage.taskgate(server.view), *lab.stage.go_function(server.view)]
        functions = [(each.name, stack.enter_context(lab.started(each))) for each in contenders]
        for name, started in functions:
            lab.attempt(COST, name, partial(_send, lab, started, 20))
        for name, command in commands.items():
            lab.attempt(COST, name, partial(_run, lab, command, 1))  # kubectl keeps what the server offers in a cache
        for _ in range(rounds):
            for name, started in functions:
                lab.attempt(COST, name, partial(_function, lab, name, started))
            for name, command in commands.items():
                lab.attempt(COST, name, partial(_process, lab, name, command))


def _commands(lab: Lab) -> Mapping[str, Command]:
    """What is run for each event, as far as it is to be had here."""
    commands: dict[str, Command] = {}
    kubectl = lab.tools / "kubectl" if lab.tools else shutil.which("kubectl")
    if kubectl:
        commands[KUBECTL] = lambda waiting: [
            *(kubectl, "patch", "workflows.argoproj.io", waiting.name, f"--namespace={NAMESPACE}"),
            *("--type=json", f"--patch={lab.approvals.patch(waiting).decode()}"),
        ]
    else:
        lab.figures.note(f"`{KUBECTL}` was not measured: there is no kubectl; `make cluster-tools` builds it.")
    if kubectl and shutil.which("jq") and shutil.which("bash"):
        commands[SCRIPT] = lambda waiting: ["bash", _SCRIPT, kubectl, NAMESPACE, str(waiting.task), GATE]
    else:
        lab.figures.note(f"`{SCRIPT}` was not measured: it needs bash, kubectl and jq.")
    if argo := shutil.which("argo"):
        commands[RESUME] = lambda waiting: [
            *(argo, "resume", waiting.name, f"--namespace={NAMESPACE}"),
            f"--node-field-selector=displayName={GATE}",
        ]
    else:
        lab.figures.note(f"`{RESUME}` was not measured: there is no argo on the PATH.")
    return commands


def _send(lab: Lab, started: Started, count: int) -> tuple[list[float], float]:
    """So many events: the seconds of each, and the processor time of all."""
    jobs = [lab.approvals.job(waiting) for waiting in lab.server().add(count)]
    before = started.child.cpu()
    seconds = drive_all(partial(connect, started.port), 1, jobs)
    return seconds, started.child.cpu() - before


def _function(lab: Lab, name: str, started: Started) -> None:
    seconds, processor = _send(lab, started, _EVENTS)
    lab.figures.add(COST, CPU, name, processor / _EVENTS * 1000)
    lab.figures.add(COST, MEMORY, name, started.child.memory("VmHWM"))
    lab.figures.add(COST, SECONDS, name, *seconds)


def _process(lab: Lab, name: str, command: Command) -> None:
    for seconds, processor, memory in _run(lab, command, _PROCESSES):
        lab.figures.add(COST, CPU, name, processor * 1000)
        lab.figures.add(COST, MEMORY, name, memory)
        lab.figures.add(COST, SECONDS, name, seconds)


def _run(lab: Lab, command: Command, count: int) -> list[tuple[float, float, float]]:
    path = lab.stage.installation.environment["PATH"]
    environment = {"KUBECONFIG": str(lab.server().kubeconfig), "HOME": str(lab.folder), "PATH": path}
    return [spent(command(waiting), environment, lab.log_file()) for waiting in lab.server().add(count)]
