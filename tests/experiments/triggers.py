"""Triggers and parameters that several experiments use."""

from __future__ import annotations

from typing import Any

from tests import recorded_workflows
from tests.experiments.snippets import Snippet
from tests.experiments.stage import DEPENDENCY, SERVER

Object = dict[str, Any]

RESUME = Snippet("T4")


def from_event(dest: str, template: str, **more: Any) -> Object:  # noqa: ANN401 - JSON
    """A parameter made by a template over the event."""
    return {"dest": dest, "src": {"dependencyName": DEPENDENCY, "dataTemplate": template}, **more}


def from_key(dest: str, key: str, **more: Any) -> Object:  # noqa: ANN401 - JSON
    """A parameter that is a field of the event."""
    return {"dest": dest, "src": {"dependencyName": DEPENDENCY, "dataKey": key, **more}}


def workflow_reference(name: str | None = None) -> Object:
    """The resource of a trigger: which Workflow, and nothing about it."""
    metadata = {"namespace": recorded_workflows.NAMESPACE, **({"name": name} if name else {})}
    return {"resource": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata}}


def resume(name: str | None = "to-be-replaced", **fields: Any) -> Object:  # noqa: ANN401 - JSON
    """A trigger that runs `argo resume`; `fields` go into argoWorkflow."""
    return {
        "template": {
            "name": "resume",
            "argoWorkflow": {"operation": "resume", "source": workflow_reference(name), **fields},
        }
    }


def resume_of_the_task(**trigger: Any) -> Object:  # noqa: ANN401 - JSON
    """`argo resume play-task-<n>-workflow --node-field-selector displayName=wait-pr-approved`."""
    return {**RESUME.trigger, **trigger}


def http(path: str = "/", method: str = "POST", **fields: Any) -> Object:  # noqa: ANN401 - JSON
    """A trigger that sends the delivery's id to the HTTP recorder; `fields` go into http."""
    return {
        "template": {
            "name": "http",
            "http": {
                "url": f"http://{SERVER}:2746{path}",
                "method": method,
                "timeout": 10,
                "payload": [from_key("id", "headers.X-Github-Delivery.0")],
                **fields,
            },
        }
    }


def only(**filters: Any) -> Object:  # noqa: ANN401 - JSON
    """The dependency, with filters."""
    return {"name": DEPENDENCY, "eventSourceName": "github", "eventName": "webhook", "filters": filters}


def data(path: str, *values: str, kind: str = "string", **more: str) -> Object:
    """A filter on a field."""
    return {"path": path, "type": kind, "value": list(values), **more}
