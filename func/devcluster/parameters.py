"""Parameters of Workflows: what a template gets, what it gives, and how references are put in.

Source: https://argo-workflows.readthedocs.io/en/release-4.0/variables/ and
https://github.com/argoproj/argo-workflows/blob/v4.1.2/workflow/common/util.go (ProcessArgs)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from func.devcluster.nodes import Node

_REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_.-]+)\s*\}\}")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)", re.ASCII)
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def put_in(text: str, scope: Mapping[str, str]) -> str:
    """The text with all known references replaced; unknown ones stay as they are."""
    return _REFERENCE.sub(lambda match: scope.get(match[1], match[0]), text)


def listed(holder: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The parameters of inputs, outputs or arguments."""
    found = (holder or {}).get("parameters") or []
    return [each for each in found if isinstance(each, dict) and isinstance(each.get("name"), str)]


def text(value: object) -> str:
    """A parameter value as Argo keeps it: always a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def workflow_scope(workflow: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, str]:
    """What every template of a Workflow may refer to."""
    metadata = workflow["metadata"]
    scope = {f"workflow.{key}": str(metadata.get(key, "")) for key in ("name", "namespace", "uid")}
    for parameter in listed(spec.get("arguments")):
        if parameter.get("value") is not None:
            scope[f"workflow.parameters.{parameter['name']}"] = text(parameter["value"])
    for parameter in listed((workflow.get("status") or {}).get("outputs")):
        if parameter.get("value") is not None:
            scope[f"workflow.outputs.parameters.{parameter['name']}"] = text(parameter["value"])
    return scope


def inputs(
    template: Mapping[str, Any], arguments: Mapping[str, Any] | None, scope: Mapping[str, str]
) -> dict[str, Any]:
    """The inputs of a new node, empty where its template has none.

    Args:
        template: The template.
        arguments: What the step or task gives.
        scope: What references stand for.

    Raises:
        ValueError: A parameter has no value.

    """
    given = {each["name"]: each["value"] for each in listed(arguments) if each.get("value") is not None}
    parameters = []
    for parameter in listed(template.get("inputs")):
        name = parameter["name"]
        value = given.get(name, parameter.get("value", parameter.get("default")))
        if value is None:
            raise ValueError(f"inputs.parameters.{name} was not supplied")
        parameters.append({**parameter, "value": put_in(text(value), scope)})
    return {"parameters": parameters} if parameters else {}


def supplied_outputs(template: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a new suspend node: those that somebody is to supply."""
    wanted = [each for each in listed(template.get("outputs")) if "supplied" in (each.get("valueFrom") or {})]
    return {"parameters": wanted} if wanted else {}


def with_defaults(outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The outputs of a suspend node whose time is up.

    Raises:
        ValueError: One has neither value nor default.

    """
    parameters = []
    for parameter in listed(outputs):
        rest = {key: value for key, value in parameter.items() if key != "valueFrom"}
        if rest.get("value") is None:
            default = (parameter.get("valueFrom") or {}).get("default")
            if default is None:
                name = parameter["name"]
                raise ValueError(f"raw output parameter '{name}' has not been set and does not have a default value")
            rest["value"] = text(default)
        parameters.append(rest)
    return {**(outputs or {}), "parameters": parameters}


def given_by(kind: str, name: str, node: Node) -> dict[str, str]:
    """What later steps or tasks may refer to.

    Args:
        kind: `steps` or `tasks`.
        name: The name of the step or task.
        node: Its node.

    """
    scope = {f"{kind}.{name}.status": str(node.get("phase", "")), f"{kind}.{name}.id": str(node.get("id", ""))}
    for parameter in listed(node.get("outputs")):
        if parameter.get("value") is not None:
            scope[f"{kind}.{name}.outputs.parameters.{parameter['name']}"] = text(parameter["value"])
    return scope


def outputs(template: Mapping[str, Any], scope: Mapping[str, str]) -> dict[str, Any]:
    """The outputs of a finished steps or DAG template; those that refer to nothing are left out."""
    parameters = []
    for parameter in listed(template.get("outputs")):
        source = parameter.get("valueFrom") or {}
        value = put_in(str(source.get("parameter", "")), scope)
        if not value or _REFERENCE.search(value):
            if source.get("default") is None:
                continue
            value = text(source["default"])
        parameters.append({key: each for key, each in parameter.items() if key != "valueFrom"} | {"value": value})
    return {"parameters": parameters} if parameters else {}


def duration(value: object) -> timedelta:
    """How long a gate stays closed by itself.

    Args:
        value: Seconds, or a Go duration such as `1h30m`.

    Raises:
        ValueError: It is neither.

    """
    written = text(value).strip()
    if written.isascii() and written.isdigit() and len(written) < 10:
        return timedelta(seconds=int(written))
    parts = _DURATION.findall(written)
    if not parts or "".join(number + unit for number, unit in parts) != written or len(written) > 30:
        raise ValueError(f"unable to parse {written} as a duration")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
