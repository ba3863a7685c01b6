"""The costs: memory, CPU and time, measured on this machine. Figures for 100 Sensors are multiplied from `SOME`."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests import payloads, recorded_workflows
from tests.cluster.processes import wait_for
from tests.experiments.patching import WITH_NODE, patch
from tests.experiments.requests import CLOUDEVENT, FUNCTION
from tests.experiments.stage import DEPENDENCY, WORKFLOWS_PATH, Object, SensorWithPrograms, Stage
from tests.experiments.symptom import GATE
from tests.experiments.triggers import data, http, only, resume_of_the_task
from tests.experiments.watching import watch
from tests.manifests.building import build, of_kind

SOME = 8
FEW = 10  # events for a median
SECONDS = 10  # of which the processor time is counted
HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One measured figure."""

    what: str
    value: str


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def programs_of(group: int, name: str) -> list[int]:
    """The processes of a process group that run a program."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if int(_stat(int(process.name))[2]) == group and (process / "comm").read_text().strip() == name:
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def resident(pid: int) -> float:
    """Memory in MB (10^6 bytes)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor(pid: int) -> float:
    """Seconds of processor time since it began."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / HERTZ


def listening_on(port: int) -> list[int]:
    """The processes of ours that were started to listen on this port of the loopback."""
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1] == f"0100007F:{port:04X}" and line.split()[3] == "0A"
    }
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and any(
                str(each.readlink()) in {f"socket:[{inode}]" for inode in inodes} for each in (process / "fd").iterdir()
            ):
                found.append(int(process.name))
    return found


def idle_load(pids: list[int]) -> float:
    """Thousandths of a processor that they need while nothing happens."""
    before = sum(map(processor, pids))
    time.sleep(SECONDS)
    return (sum(map(processor, pids)) - before) / SECONDS * 1000


def median_ms(run: Callable[[int], float]) -> str:
    """Median of several times in seconds, as milliseconds."""
    return f"{statistics.median(run(number) for number in range(FEW)) * 1000:.0f} ms"


def for_one_task(task: int) -> tuple[Object, Object]:
    """Trigger and dependency of a Sensor that is for one task."""
    trigger = resume_of_the_task()
    return trigger, only(data=[data("body.pull_request.labels.#.name", f'.*"task-{task}".*')])


def sensors_per_task(stage: Stage) -> list[Figure]:
    """A Sensor for each task."""
    began = []
    with ExitStack() as stack:
        pids = []
        for task in range(1, SOME + 1):
            trigger, dependency = for_one_task(task)
            begun = time.monotonic()
            sensor = stage.start_sensor(trigger, dependencies=[dependency])
            began.append(time.monotonic() - begun)
            stack.callback(sensor.close)
            pids += programs_of(sensor.process.pid, "argo-events")
        assert len(pids) == SOME
        memory = statistics.mean(map(resident, pids))
        load = idle_load(pids) / SOME
    start = statistics.median(began)
    return [
        Figure("one Sensor: memory", f"{memory:.0f} MB"),
        Figure("one Sensor: start", f"{start:.1f} s"),
        Figure("one Sensor: CPU at rest", f"{load / 1000:.4f} cores"),
        Figure(f"100 Sensors, multiplied from {SOME}: memory", f"{memory / 10:.1f} GB"),
        Figure(f"100 Sensors, multiplied from {SOME}: CPU at rest", f"{load / 10:.2f} cores"),
        Figure(f"100 Sensors, multiplied from {SOME}: start one by one", f"{start * 100:.0f} s"),
    ]


def triggers_per_task(stage: Stage) -> list[Figure]:
    """One Sensor with a dependency and a trigger for each of 100 tasks."""
    triggers, dependencies = [], []
    for task in range(1, 101):
        trigger, dependency = for_one_task(task)
        name = f"task-{task}"
        source = '"dependencyName": "{}"'
        trigger = json.loads(json.dumps(trigger).replace(source.format(DEPENDENCY), source.format(name)))
        trigger["template"] |= {"name": name, "conditions": name}
        triggers.append(trigger)
        dependencies.append({**dependency, "name": name})
    programs = stage.programs()
    begun = time.monotonic()
    sensor = stage.start_sensor(*triggers, dependencies=dependencies, programs=programs)
    started = time.monotonic() - begun
    try:
        (pid,) = programs_of(sensor.process.pid, "argo-events")
        memory, load = resident(pid), idle_load([pid])
        before = processor(pid)
        for number in range(FEW):
            stage.send(payloads.approved(task=7))
            programs.wait_for(number + 1)
        stage.done(sensor, 60)
        each = (processor(pid) - before) / FEW * 1000
        assert {run[4] for run in programs.runs()} == {"play-task-7-workflow"}
    finally:
        sensor.close()
    return [
        Figure("one Sensor with 100 triggers: memory", f"{memory:.0f} MB"),
        Figure("one Sensor with 100 triggers: start", f"{started:.1f} s"),
        Figure("one Sensor with 100 triggers: CPU at rest", f"{load / 1000:.3f} cores"),
        Figure("one Sensor with 100 triggers: CPU for one event", f"{each:.0f} ms"),
    ]


def one_for_all(stage: Stage) -> list[Figure]:
    """From GitHub's request until the effect, with one Sensor for all tasks."""
    figures = []
    programs = stage.programs()
    with stage.sensor(resume_of_the_task(), programs=programs) as sensor:

        def resumed(number: int) -> float:
            begun = time.monotonic()
            stage.send(payloads.approved())
            programs.wait_for(number + 1)
            return time.monotonic() - begun

        value = median_ms(resumed)
        (pid,) = programs_of(sensor.process.pid, "argo-events")
        figures.append(Figure("webhook until `argo` is started (a)", value))
        figures.append(Figure("one Sensor for all tasks: memory", f"{resident(pid):.0f} MB"))
    with stage.http() as recorder, stage.sensor(http(), http=recorder):

        def asked(number: int) -> float:
            begun = time.monotonic()
            stage.send(payloads.approved())
            return recorder.wait_for(number + 1)[number].came - begun

        figures.append(Figure("webhook until the HTTP request arrives (h, j)", median_ms(asked)))
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in range(1, FEW + 1)))
    with stage.sensor(patch(), dependencies=[WITH_NODE]):
        figures.append(
            Figure("webhook until the gate is open, `k8s` patch (b)", median_ms(lambda n: opened(stage, n + 1)))
        )
    return figures


def opened(stage: Stage, task: int) -> float:
    """Seconds from the webhook of a task's approval until its gate is open in the API."""
    name = f"play-task-{task}-workflow"

    def look() -> bool | None:
        return recorded_workflows.gate_node(stage.workflow(name), GATE)["phase"] == "Succeeded" or None

    begun = time.monotonic()
    stage.send(payloads.approved(task=task, happened=datetime.now(UTC)))
    wait_for(f"the gate of {name}", look)
    return time.monotonic() - begun


def function_behind_argo_events(stage: Stage) -> list[Figure]:
    """The function behind a Sensor, warm."""
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in range(1, 101)))
    with stage.function() as port:
        with stage.sensor(CLOUDEVENT.trigger, more={FUNCTION: port}) as sensor:
            value = median_ms(lambda number: opened(stage, number + 1))
            at_rest = overlays_at_rest(stage, sensor)
        (pid,) = listening_on(port)
        memory = resident(pid)
    return [
        Figure("webhook until the gate is open, function, warm (h)", value),
        Figure(f"the function: memory after {FEW} events", f"{memory:.0f} MB"),
        *at_rest,
    ]


def overlays_at_rest(stage: Stage, sensor: SensorWithPrograms) -> list[Figure]:
    """Return what the processes of option (h)'s overlays need, without the function and without sidecars."""
    watcher = stage.argo.event_source(watch("waiting", filter={}))
    try:
        groups = {
            "Sensor": programs_of(sensor.process.pid, "argo-events"),
            "watch": programs_of(watcher.process.pid, "argo-events"),
            "EventSource": programs_of(stage.source.process.pid, "argo-events"),
            "JetStream": programs_of(stage.nats.process.pid, "nats-server"),
        }
        memory, load = {}, {}
        for name, pids in groups.items():
            (pid,) = pids
            memory[name], load[name] = resident(pid), idle_load([pid])
    finally:
        watcher.close()
    figures = []
    for overlay in ("overlays/sensor", "overlays/argo-events"):
        counts = processes_of(build(overlay))
        total = sum(memory[name] * count for name, count in counts.items())
        thousandths = sum(load[name] * count for name, count in counts.items())
        processes = ", ".join(f"{count} {name}" for name, count in counts.items())
        figures += [
            Figure(f"{overlay} at rest ({processes}): memory", f"{total:.0f} MB"),
            Figure(f"{overlay} at rest ({processes}): CPU", f"{thousandths / 1000:.3f} cores"),
        ]
    return figures


def processes_of(manifests: list[Object]) -> dict[str, int]:
    """Return how many processes of each kind an overlay runs while there are no events."""
    sources = of_kind(manifests, "EventSource")
    counts = {
        "Sensor": len(of_kind(manifests, "Sensor")),
        "watch": sum("resource" in source["spec"] for source in sources),
        "EventSource": sum(source["spec"].get("replicas", 1) for source in sources if "github" in source["spec"]),
        "JetStream": sum(bus["spec"]["jetstream"]["replicas"] for bus in of_kind(manifests, "EventBus")),
    }
    return {name: count for name, count in counts.items() if count}


def kubectl(stage: Stage) -> list[Figure]:
    """What the pod of today runs for each event, without the pod: four kubectl, one after the other."""
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in range(1, 101)))
    selector = "task-id=3,workflow-type=play-orchestration"
    commands = (
        ("get", "workflows", "-l", selector, "-o", "jsonpath={.items[0].metadata.name}"),
        ("get", "workflow", "play-task-3-workflow", "-o", "jsonpath={.metadata.labels.current-stage}"),
        ("get", "workflow", "play-task-3-workflow", "-o", "json"),
        ("patch", "workflow", "play-task-3-workflow", "--type=merge", "-p", '{"spec":{"suspend":false}}'),
    )

    def all_four(_: int) -> float:
        begun = time.monotonic()
        for command in commands:
            run = stage.api.kubectl("-n", recorded_workflows.NAMESPACE, *command)
            assert run.returncode == 0, run.stderr
        return time.monotonic() - begun

    value = median_ms(all_four)
    node = recorded_workflows.gate_node(stage.workflow("play-task-3-workflow"), GATE)
    assert node["phase"] == "Running"  # `spec.suspend: false` opens no gate
    return [Figure("the four `kubectl` commands of today's pods, without the pod (d)", value)]


def finding(stage: Stage) -> list[Figure]:
    """Each way of finding a Workflow among 100."""
    figures = []
    select = "labelSelector=workflow-type%3Dplay-orchestration,task-id%3D3"
    metadata = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
    ways: dict[str, tuple[str, dict[str, str]]] = {
        "GET by name": (f"{WORKFLOWS_PATH}/play-task-3-workflow", {}),
        "LIST by label, metadata only": (f"{WORKFLOWS_PATH}?{select}", metadata),
        "LIST of all": (WORKFLOWS_PATH, {}),
    }
    stage.clear()
    stage.create(*(recorded_workflows.waiting_workflow(task, GATE) for task in range(1, 101)))
    for what, (path, headers) in ways.items():

        def ask(_: int, path: str = path, headers: dict[str, str] = headers) -> float:
            begun = time.monotonic()
            stage.api.admin.must("GET", path, headers=headers)
            return time.monotonic() - begun

        value = statistics.median(ask(number) for number in range(3 * FEW)) * 1000
        figures.append(Figure(f"100 Workflows, {what}", f"{value:.1f} ms"))
    return figures


def measure(stage: Stage) -> list[Figure]:
    """All figures."""
    figures: list[Figure] = []
    for part in (one_for_all, function_behind_argo_events, kubectl, finding, triggers_per_task, sensors_per_task):
        figures += part(stage)
        stage.clear()
    return figures
