"""Workflows of a fleet, made from the recordings in tests/data.

`waiting_workflow` and `fleet` make the pipeline with its four gates; `like` copies any recording for another task.
"""

import base64
import copy
import gzip
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Workflow = dict[str, Any]

PIPELINE = ("wait-pr-created", "wait-ready-for-qa", "wait-pr-approved", "wait-pr-merged")
AGENTS = ("5DLabs-Rex", "5DLabs-Blaze", "5DLabs-Morgan")
NAMESPACE = "agent-platform"
REPOSITORY = "5dlabs-cto"
CREATED = datetime(2026, 11, 22, 10, 19, 53, tzinfo=UTC)  # as in most recordings

_DATA = Path(__file__).parent / "data"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def recorded(situation: str, state: str = "waiting", controller: str = "argo-recordings") -> Workflow:
    """A recorded Workflow as it is, e.g. `recorded("dag-parallel-gates")`."""
    workflow: Workflow = json.loads((_DATA / controller / situation / f"{state}.json").read_text(encoding="utf-8"))
    return workflow


def node_id(workflow_name: str, node_name: str) -> str:
    """Argo's id of a node: 32 bit FNV-1a of the node's name."""
    if node_name == workflow_name:
        return workflow_name
    fnv = 2166136261
    for byte in node_name.encode():
        fnv = (fnv ^ byte) * 16777619 & 0xFFFFFFFF
    return f"{workflow_name}-{fnv}"


def like(
    situation: str,
    state: str = "waiting",
    *,
    task: int | str = 3,
    repository: str = REPOSITORY,
    namespace: str = NAMESPACE,
    name: str | None = None,
    uid: str | None = None,
    created: datetime = CREATED,
) -> Workflow:
    """A recorded Workflow as one of another task: names, node ids and times are put right everywhere.

    Args:
        situation: Folder of argo-recordings, e.g. `dag-parallel-gates` or `steps-supplied-outputs`.
        state: `waiting`, `resumed` or `advanced`.
        task: Value of the label task-id.
        repository: Value of the label repository.
        namespace: Of the Workflow.
        name: By default `play-task-<task>-workflow`.
        uid: By default made from namespace and name.
        created: All times of the recording move along with it.
    """
    workflow = recorded(situation, state)
    metadata, status = workflow["metadata"], workflow["status"]
    old, name = metadata["name"], name or f"play-task-{task}-workflow"
    late = created - datetime.fromisoformat(metadata["creationTimestamp"])
    packed = "compressedNodes" in status
    if packed:
        status["nodes"] = nodes_of(workflow)
        del status["compressedNodes"]
    ids = {
        each["id"]: node_id(name, name + each["name"].removeprefix(old)) for each in status.get("nodes", {}).values()
    }

    def renewed(value: Any) -> Any:  # noqa: ANN401  any JSON
        if isinstance(value, dict):
            return {ids.get(key, key): renewed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [renewed(item) for item in value]
        if not isinstance(value, str):
            return value
        if _TIME.fullmatch(value):
            return stamp(datetime.fromisoformat(value) + late)
        return ids.get(value, value.replace(old, name))

    workflow = renewed(workflow)
    workflow["metadata"] |= {"name": name, "namespace": namespace, "uid": uid or _uid(namespace, name)}
    workflow["metadata"]["labels"] |= {"task-id": str(task), "repository": repository}
    return compressed(workflow) if packed else workflow


def waiting_workflow(
    task: int | str = 3,
    gate: str | None = "wait-pr-approved",
    *,
    gates: Sequence[str] = PIPELINE,
    repository: str = REPOSITORY,
    agent: str | None = None,
    namespace: str = NAMESPACE,
    name: str | None = None,
    uid: str | None = None,
    created: datetime = CREATED,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, str | None] | None = None,
) -> Workflow:
    """A Workflow of the pipeline that stands at one gate; the gates before it opened a second after one another.

    Args:
        task: Value of the label task-id.
        gate: Where it stands; None for a Workflow that is finished.
        gates: All gates of the pipeline, in order.
        repository: Value of the label repository.
        agent: Given to the Workflow as its argument `implementation-agent`.
        namespace: Of the Workflow.
        name: By default `play-task-<task>-workflow`.
        uid: By default made from namespace and name.
        created: When.
        inputs: Input parameters of the gate it stands at, with their values.
        outputs: Supplied output parameters of the gate it stands at, with their defaults; None for no default.
    """
    workflow = like(
        "steps-first-gate", task=task, repository=repository, namespace=namespace, name=name, uid=uid, created=created
    )
    metadata, spec, status = workflow["metadata"], workflow["spec"], workflow["status"]
    at = len(gates) if gate is None else gates.index(gate)
    main, template = spec["templates"]
    main["steps"] = [[{"arguments": {}, "name": each, "template": "gate"}] for each in gates]
    status["nodes"] = _nodes(metadata["name"], gates, at, created)
    # As the controller counts: a write for each gate opened and one for what it does then.
    metadata["generation"] = 2 + 2 * at
    metadata["labels"]["current-stage"] = f"waiting-{gates[min(at, len(gates) - 1)].removeprefix('wait-')}"
    status["progress"] = status["nodes"][metadata["name"]]["progress"]
    if at:
        status["conditions"] = [{"status": "False", "type": "PodRunning"}]
    if gate is None:
        metadata["labels"] |= {
            "workflows.argoproj.io/completed": "true",
            "workflows.argoproj.io/phase": "Succeeded",
        }
        status["conditions"].append({"status": "True", "type": "Completed"})
        status |= {"phase": "Succeeded", "finishedAt": stamp(created + timedelta(seconds=at))}
    if agent is not None:
        spec["arguments"] = {"parameters": [{"name": "implementation-agent", "value": agent}]}
    if inputs or outputs:
        own = copy.deepcopy(template) | {"name": "gate-with-parameters"}
        step = main["steps"][at][0]
        node = next(each for each in status["nodes"].values() if each["displayName"] == gate)
        step["template"] = node["templateName"] = own["name"]
        spec["templates"].append(own)
        if inputs:
            own["inputs"] = {"parameters": [{"name": key} for key in inputs]}
            step["arguments"] = {"parameters": [{"name": key, "value": value} for key, value in inputs.items()]}
            node["inputs"] = copy.deepcopy(step["arguments"])
        if outputs:
            own["outputs"] = {
                "parameters": [
                    {"name": key, "valueFrom": ({} if value is None else {"default": value}) | {"supplied": {}}}
                    for key, value in outputs.items()
                ]
            }
            node["outputs"] = copy.deepcopy(own["outputs"])
    return workflow


def fleet(
    count: int = 100,
    *,
    gate: str | None = None,
    repository: str = REPOSITORY,
    namespace: str = NAMESPACE,
    created: datetime = CREATED,
) -> list[Workflow]:
    """The Workflows of tasks 1 to `count`.

    Args:
        count: How many.
        gate: Where all stand; by default they are spread over the pipeline, task 3 at wait-pr-approved.
        repository: Value of the label repository.
        namespace: Of the Workflows.
        created: When.
    """
    return [
        waiting_workflow(
            task,
            gate or PIPELINE[(task - 1) % len(PIPELINE)],
            repository=repository,
            agent=AGENTS[task % len(AGENTS)],
            namespace=namespace,
            created=created,
        )
        for task in range(1, count + 1)
    ]


def write(workflows: Iterable[Workflow], folder: Path) -> list[Path]:
    """One JSON file for each Workflow; returns the files."""
    files = []
    for workflow in workflows:
        metadata = workflow["metadata"]
        file = folder / f"{metadata['namespace']}.{metadata['name']}.json"
        file.write_text(json.dumps(workflow, indent=1), encoding="utf-8")
        files.append(file)
    return files


def compressed(workflow: Workflow) -> Workflow:
    """The same Workflow with its nodes packed, as the controller does with many."""
    workflow = copy.deepcopy(workflow)
    nodes = json.dumps(workflow["status"].pop("nodes"), separators=(",", ":")).encode()
    workflow["status"]["compressedNodes"] = base64.b64encode(gzip.compress(nodes, mtime=0)).decode()
    return workflow


def nodes_of(workflow: Workflow) -> dict[str, Any]:
    """The nodes of a Workflow by id, packed or not."""
    status = workflow["status"]
    nodes: dict[str, Any] = (
        json.loads(gzip.decompress(base64.b64decode(status["compressedNodes"])))
        if "compressedNodes" in status
        else status["nodes"]
    )
    return nodes


def gate_node(workflow: Workflow, gate: str) -> dict[str, Any]:
    """The suspend node of that name; there must be exactly one."""
    nodes = nodes_of(workflow).values()
    (node,) = [each for each in nodes if each["type"] == "Suspend" and each["displayName"] == gate]
    found: dict[str, Any] = node
    return found


def stamp(time: datetime) -> str:
    """A time as Kubernetes writes it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _uid(namespace: str, name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{namespace}/{name}"))


def _nodes(workflow: str, gates: Sequence[str], at: int, created: datetime) -> dict[str, Any]:
    """The nodes of a Workflow of steps, one gate each, of which the first `at` are open."""
    begun = gates[: at + 1]
    names = [name for i, gate in enumerate(begun) for name in (f"{workflow}[{i}]", f"{workflow}[{i}].{gate}")]
    ids = [node_id(workflow, name) for name in names]
    root: dict[str, Any] = {
        "displayName": workflow,
        "name": workflow,
        "templateName": "main",
        "type": "Steps",
        "progress": f"{at}/{len(begun)}",
        "children": ids[:1],
    } | _times(created, 0, len(begun) if at == len(gates) else None)
    if at == len(gates):
        root["outboundNodes"] = ids[-1:]
    nodes = [root]
    for i, name in enumerate(names):
        step, is_gate = divmod(i, 2)
        node: dict[str, Any] = {
            "boundaryID": workflow,
            "displayName": begun[step] if is_gate else f"[{step}]",
            "name": name,
            "type": "Suspend" if is_gate else "StepGroup",
            # A group counts all that follows it too.
            "progress": f"{int(step < at)}/1" if is_gate else f"{at - step}/{len(begun) - step}",
        } | _times(created, step, step + 1 if step < at else None)
        if is_gate:
            node["templateName"] = "gate"
        else:
            node["nodeFlag"] = {}
        if i + 1 < len(ids):
            node["children"] = ids[i + 1 : i + 2]
        nodes.append(node)
    for node in nodes:
        node |= {"id": node_id(workflow, node["name"]), "templateScope": f"local/{workflow}"}
    return {node["id"]: node for node in nodes}


def _times(created: datetime, started: int, finished: int | None) -> dict[str, Any]:
    """Phase and times of a node, in seconds after the Workflow was created."""
    times = {"phase": "Running", "startedAt": stamp(created + timedelta(seconds=started))}
    if finished is not None:
        times |= {"phase": "Succeeded", "finishedAt": stamp(created + timedelta(seconds=finished))}
    return times
