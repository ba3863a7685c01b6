"""Workflows that no controller writes: one value of a kind that nobody expects, at one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.recorded_workflows import Workflow, gate_node

GATE = "wait-pr-approved"
ODD: list[Any] = [None, 0, 1.5, True, "", "odd", [], ["odd"], {}, {"odd": 1}, [[]], [{}], "x" * 10_000, 2**70]
Change = Callable[[Workflow, Any], object]


def node(workflow: Workflow) -> dict[str, Any]:
    return gate_node(workflow, GATE)


PLACES: dict[str, Change] = {
    "id": lambda w, odd: node(w).update(id=odd),
    "name": lambda w, odd: node(w).update(name=odd),
    "displayName": lambda w, odd: node(w).update(displayName=odd),
    "type": lambda w, odd: node(w).update(type=odd),
    "phase": lambda w, odd: node(w).update(phase=odd),
    "startedAt": lambda w, odd: node(w).update(startedAt=odd),
    "finishedAt": lambda w, odd: node(w).update(finishedAt=odd),
    "message": lambda w, odd: node(w).update(message=odd),
    "children": lambda w, odd: [each.update(children=odd) for each in w["status"]["nodes"].values()],
    "child": lambda w, odd: [each.update(children=[odd]) for each in w["status"]["nodes"].values()],
    "boundaryID": lambda w, odd: node(w).update(boundaryID=odd),
    "inputs": lambda w, odd: node(w).update(inputs=odd),
    "input": lambda w, odd: node(w).update(inputs={"parameters": [odd]}),
    "input name": lambda w, odd: node(w).update(inputs={"parameters": [{"name": odd, "value": odd}]}),
    "outputs": lambda w, odd: node(w).update(outputs=odd),
    "output": lambda w, odd: node(w).update(outputs={"parameters": [odd]}),
    "output name": lambda w, odd: node(w).update(
        outputs={"parameters": [{"name": odd, "valueFrom": {"supplied": {}}}]}
    ),
    "output value": lambda w, odd: node(w).update(outputs={"parameters": [{"name": "pr-number", "value": odd}]}),
    "supplied": lambda w, odd: node(w).update(
        outputs={"parameters": [{"name": "pr-number", "valueFrom": {"supplied": odd, "default": odd}}]}
    ),
    "globalName": lambda w, odd: node(w).update(
        outputs={"parameters": [{"name": "pr-number", "globalName": odd, "valueFrom": {"supplied": {}}}]}
    ),
    "published": lambda w, odd: w["status"].update(outputs={"parameters": [{"name": odd}]}),
    "nodes": lambda w, odd: w["status"].update(nodes=odd),
    "every node": lambda w, odd: w["status"].update(nodes=dict.fromkeys(w["status"]["nodes"], odd)),
    "compressedNodes": lambda w, odd: w["status"].update(compressedNodes=odd),
    "offload": lambda w, odd: w["status"].update(offloadNodeStatusVersion=odd, nodes=None),
    "status.phase": lambda w, odd: w["status"].update(phase=odd),
    "shutdown": lambda w, odd: w["spec"].update(shutdown=odd),
    "suspend": lambda w, odd: w["spec"].update(suspend=odd),
}
OF_THE_GATE = [place for place, change in PLACES.items() if "node" in change.__code__.co_names]


def made_odd(workflow: Workflow, place: str, odd: Any) -> Workflow:  # noqa: ANN401 - any JSON
    """Return the Workflow with something odd at a place."""
    PLACES[place](workflow, odd)
    return workflow
