"""Every Kubernetes object in the documents is accepted by the real API server, which checks every field."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.api_server import RealApiServer
from tests.docs.markdown import DOCS, ROOT, blocks, documents
from tests.experiments.snippets import printed
from tests.experiments.stage import ALL_EVENTS, EVENT_SOURCE, find_tools
from tests.experiments.triggers import http
from tests.manifests.building import build

OWN_KINDS = {"Sensor", "EventSource", "EventBus"}
# How the code of the report begins: a part of a Sensor or of an EventSource.
SNIPPETS = ("triggers:", "dependencies:", "github:", "resource:")
Manifest = dict[str, Any]


def _texts() -> list[tuple[str, str]]:
    """(place, YAML) of everything that is YAML in the documents."""
    files = [(str(file.relative_to(ROOT)), file.read_text()) for file in sorted(DOCS.rglob("*.yaml"))]
    inside = [
        (f"{document.relative_to(ROOT)} #{number}", text)
        for document in documents()
        for number, (language, text) in enumerate(blocks(document.read_text()))
        if language == "yaml"
    ]
    return files + inside


def _objects() -> list[tuple[str, Manifest]]:
    return [
        (place, one)
        for place, text in _texts()
        for one in yaml.safe_load_all(text)
        if isinstance(one, dict) and "kind" in one and one["kind"] != "Kustomization"
    ]


# The CRD of WorkflowTemplates is not among the tests' data; see below.
APPLIED = [(place, one) for place, one in _objects() if one["kind"] != "WorkflowTemplate"]


def test_all_of_it_is_yaml_of_a_kind_that_is_checked() -> None:
    unknown = []
    snippets = {block.code for block in printed().values()}
    for place, text in _texts():
        if text.partition("\n")[2] in snippets:
            continue
        for one in yaml.safe_load_all(text):
            # Kubernetes objects: below. gates.yaml and parts of it: test_schema.py. Comments alone: an editor's line.
            # Code of the report: tests/experiments runs it.
            known = one is None or "kind" in one or set(one) <= {
                "workflows", "repositories", "task", "people", "sources", "gates", "outputs"
            }  # fmt: skip
            if not known:
                unknown.append(place)
    assert unknown == []


@pytest.fixture(scope="module")
def api(real_api_server: RealApiServer) -> RealApiServer:
    tools = find_tools()
    assert tools is not None
    crds = [file for file in sorted((tools / "crds").iterdir()) if _missing(real_api_server, file)]
    real_api_server.install(*crds)
    wanted = {one["metadata"].get("namespace") for _, one in _objects()} - {None}
    for namespace in sorted(wanted):
        if real_api_server.admin.request("GET", f"/api/v1/namespaces/{namespace}").status == 404:
            real_api_server.create_namespace(namespace)
    return real_api_server


def _missing(server: RealApiServer, file: Path) -> bool:
    name = yaml.safe_load(file.read_text())["metadata"]["name"]
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    return server.admin.request("GET", path).status == 404


@pytest.mark.parametrize(("place", "manifest"), APPLIED, ids=lambda value: value if isinstance(value, str) else "")
def test_the_api_server_takes_it(
    api: RealApiServer, problems: Callable[[Iterable[Manifest]], list[str]], place: str, manifest: Manifest
) -> None:
    run = api.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", objects=[manifest])
    assert run.returncode == 0, (place, run.stderr)
    assert not run.stderr.startswith("Warning")
    if manifest["kind"] in OWN_KINDS:
        assert problems([manifest]) == []


@pytest.mark.parametrize("key", [key for key, block in printed().items() if block.code.startswith(SNIPPETS)])
def test_argo_events_accepts_the_code_of_the_report(
    problems: Callable[[Iterable[Manifest]], list[str]], key: str
) -> None:
    """Its types and validators; the experiments run it."""
    code = yaml.safe_load(printed()[key].code)
    common = EVENT_SOURCE["spec"]["github"]["webhook"]
    code |= {"github": {event: common | fields for event, fields in code["github"].items()}} if "github" in code else {}
    sensor = {"dependencies": [ALL_EVENTS], "triggers": [http()]} | code
    kind, spec = ("Sensor", sensor) if code.keys() & {"triggers", "dependencies"} else ("EventSource", code)
    assert problems([{**EVENT_SOURCE, "kind": kind, "spec": spec}]) == []


def test_the_play_template_is_a_workflow_that_the_api_server_takes(api: RealApiServer) -> None:
    """A WorkflowTemplate's spec is a Workflow's, whose CRD is there."""
    (template,) = [one for _, one in _objects() if one["kind"] == "WorkflowTemplate"]
    workflow = {**template, "kind": "Workflow", "metadata": {"name": "play", "namespace": "agent-platform"}}
    run = api.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", objects=[workflow])
    assert run.returncode == 0, run.stderr


def test_the_play_template_fits_the_rules_built_in() -> None:
    (template,) = [one for _, one in _objects() if one["kind"] == "WorkflowTemplate"]
    rules = yaml.safe_load((ROOT / "func/gates.yaml").read_text())
    spec = template["spec"]
    (main,) = [each for each in spec["templates"] if each["name"] == spec["entrypoint"]]
    suspends = {each["name"] for each in spec["templates"] if "suspend" in each}
    gates = [step["name"] for group in main["steps"] for step in group if step["template"] in suspends]
    assert gates == list(rules["gates"])
    (gate,) = [each for each in spec["templates"] if each["name"] in suspends]
    assert {each["name"] for each in gate["outputs"]["parameters"]} == set(rules["outputs"])
    (task,) = [one for _, one in _objects() if one["kind"] == "Workflow" and "workflowTemplateRef" in one["spec"]]
    assert task["spec"]["workflowTemplateRef"]["name"] == template["metadata"]["name"]
    labels = task["metadata"]["labels"]  # of the object that is created, where they are from the first moment
    name, _, value = rules["workflows"]["selector"].partition("=")
    assert labels[name] == value
    assert set(labels) == {name, *rules["workflows"]["labels"].values()}


def test_the_overlay_with_one_gate_builds_where_it_is() -> None:
    (rules,) = [one for one in build(DOCS / "first-gate") if one["metadata"]["name"].startswith("taskgate-gates")]
    assert list(yaml.safe_load(rules["data"]["gates.yaml"])["gates"]) == ["wait-pr-approved"]
