"""The recipes for other systems: their events go through the function, on the embedded API."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.core.cloud_event import read_cloudevent
from func.core.events import read_event
from func.core.gates_file import parse_rules
from func.core.outcomes import Answer
from func.core.reasons import Rejection
from func.core.rules import Rules
from func.devcluster import WORKFLOWS, EmbeddedCluster
from func.kube.connection import connect
from func.kube.deadline import Deadline
from func.kube.workflows import Workflows
from func.service.pipeline import Pipeline
from func.service.settings import read_rules
from tests import payloads
from tests.core.test_github_events import examples
from tests.docs.markdown import DOCS
from tests.recorded_workflows import gate_node, waiting_workflow

FOLDER = DOCS / "sources"
PAGE = (DOCS / "sources.md").read_text()
RULES = read_rules(FOLDER / "gates.yaml")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAMES = sorted(file.stem for file in (FOLDER / "events").glob("*.json"))
GATES = {
    "gitlab": "gitlab-approved",
    "gitea": "gitea-approved",
    "bitbucket": "bitbucket-approved",
    "slack": "slack-approved",
    "alertmanager": "alert-resolved",
    "operator": "operator-approved",
    "workflow": "step-done",
}
Event = dict[str, Any]


def event(name: str) -> Event:
    loaded: Event = json.loads((FOLDER / "events" / f"{name}.json").read_text())
    return loaded


def deliver(folder: Path, gate: str, *events: Event) -> tuple[list[Answer], str]:
    """Return the answers, and the phase of the gate where task 7 waits."""
    with EmbeddedCluster(controller=False) as cluster:
        cluster.store.ensure_namespace("agent-platform")
        cluster.store.load(WORKFLOWS, waiting_workflow(7, gate, gates=[gate]))
        api = connect(cluster.write_kubeconfig(folder / "kubeconfig"), 1)
        function = Pipeline(RULES, Workflows(api, "agent-platform"), clock=lambda: NOW)
        headers = {"content-type": "application/cloudevents+json"}
        answers = [
            function.handle(read_cloudevent(headers, json.dumps(one).encode()), Deadline.after(5)) for one in events
        ]
        stored = cluster.store.get(WORKFLOWS, "agent-platform", "play-task-7-workflow")
        return answers, gate_node(json.loads(stored.body), gate)["phase"]


def changed(name: str, path: str, value: object) -> Event:
    found = event(name)
    at: Any = found["data"]
    *parents, last = path.split(".")
    for part in parents:
        at = at[int(part) if part.isdigit() else part]
    at[last] = value
    return found


def test_the_page_lists_each_event() -> None:
    assert re.findall(r"^- \[(\w+)\]\(sources/events/", PAGE, re.MULTILINE) == list(GATES)
    assert sorted(GATES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_event_opens_its_gate_once(name: str, tmp_path: Path) -> None:
    answers, phase = deliver(tmp_path, GATES[name], event(name), event(name))
    assert [answer.outcome for answer in answers] == ["opened", "duplicate"]
    assert phase == "Succeeded"


@pytest.mark.parametrize(
    ("name", "path", "value", "outcome"),
    [
        ("gitlab", "object_attributes.action", "unapproved", "ignored"),
        ("gitlab", "object_attributes.source.path_with_namespace", "stranger/gitlab-test", "ignored"),
        ("gitlab", "user.username", "mallory", "refused"),
        ("gitlab", "object_attributes.source_branch", "task-8", "no-workflow"),
        ("gitea", "sender.login", "tess", "refused"),
        ("gitea", "pull_request.user.login", "alice", "refused"),
        ("gitea", "pull_request.head.repo.full_name", "stranger/shop", "ignored"),
        ("bitbucket", "pullrequest.author.account_id", "557058:c0b72ad0-1cb5-4018-9cdc-0cde8492c443", "refused"),
        ("bitbucket", "approval.user.account_id", "557058:11111111-1cb5-4018-9cdc-0cde8492c443", "refused"),
        ("slack", "user.id", "U0STRANGER", "refused"),
        ("slack", "actions.0.action_id", "reject", "ignored"),
        ("slack", "actions.0.value", "8", "no-workflow"),
        ("slack", "actions.0.value", {"task": "7"}, "invalid"),
        ("alertmanager", "status", "firing", "ignored"),
        ("alertmanager", "commonLabels.task", None, "ignored"),
        ("operator", "answer", "reject", "ignored"),
        ("workflow", "phase", "Failed", "ignored"),
    ],
)
def test_what_must_not_open_it(name: str, path: str, value: object, outcome: str, tmp_path: Path) -> None:
    (answer,), phase = deliver(tmp_path, GATES[name], changed(name, path, value))
    assert (answer.outcome, phase) == (outcome, "Running"), answer


def happened(found: Event, rules: Rules = RULES) -> datetime:
    """Return when an event happened, as the rules read it."""
    incoming = read_cloudevent({"content-type": "application/cloudevents+json"}, json.dumps(found).encode())
    return read_event(incoming.ref, incoming.time, incoming.data, rules, NOW).signal.happened


@pytest.mark.parametrize(
    ("name", "path", "sent"),
    [
        # Go writes a `time.Time` in the zone of its server:
        # https://github.com/go-gitea/gitea/blob/main/modules/structs/pull.go
        ("gitea", "pull_request.updated_at", "2026-11-25T11:50:30+01:00"),
        # https://github.com/prometheus/alertmanager/blob/main/template/template.go
        ("alertmanager", "alerts.0.endsAt", "2026-11-25T05:50:30.739266876-05:00"),
        # https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#Approved
        ("bitbucket", "approval.date", "2026-11-25T10:50:30.195330+00:00"),
    ],
)
def test_the_times_of_other_systems_count(name: str, path: str, sent: str) -> None:
    assert happened(changed(name, path, sent)) == datetime(2026, 11, 25, 10, 50, 30, tzinfo=UTC)


def test_gitlabs_times_make_an_event_invalid_so_its_recipe_takes_the_cloudevents() -> None:
    """GitLab's form: https://gitlab.com/gitlab-org/gitlab/-/issues/263111"""
    assert happened(event("gitlab")) == datetime(2026, 11, 25, 11, tzinfo=UTC)
    source = "  com.gitlab.merge_request:\n"
    text = (FOLDER / "gates.yaml").read_text().replace(source, f"{source}    happened: object_attributes.updated_at\n")
    with pytest.raises(Rejection) as rejection:
        happened(event("gitlab"), parse_rules(text, "gates.yaml"))
    assert rejection.value.verdict.code == "wrong-field"
    assert '"2026-11-25 10:58:00 UTC"' in rejection.value.reason


def github(kind: str, number: int, **data: Any) -> Event:  # noqa: ANN401 - any JSON
    """One of GitHub's examples of acme/shop, with some of its objects changed."""
    payload = copy.deepcopy(examples()[kind][0])
    payload["repository"]["full_name"] = "acme/shop"
    for name, value in data.items():
        payload[name] = payload[name] | value if isinstance(value, dict) else value
    headers, body = payloads.cloudevent_structured(payload, event=kind, delivery=f"delivery-{number}")
    assert headers["content-type"].startswith("application/cloudevents+json")
    found: Event = json.loads(body)
    return found


def comment(number: int, body: str, by: str = "MEMBER") -> Event:
    happened = f"2026-11-25T11:{number:02d}:00Z"
    issue = {
        "title": "task-7 Pay by card",
        "labels": [],
        "number": 12,
        "pull_request": {"url": "x"},
        "user": {"login": "ann"},
    }
    return github(
        "issue_comment", number, comment={"body": body, "author_association": by, "updated_at": happened}, issue=issue
    )


def suite(number: int, **data: object) -> Event:
    given = {"head_branch": "task-7-pay", "conclusion": "success", "updated_at": "2026-11-25T11:00:00Z"} | data
    return github("check_suite", number, check_suite=given)


def run(number: int, **data: object) -> Event:
    given = {"head_branch": "task-7-pay", "conclusion": "success", "updated_at": "2026-11-25T11:00:00Z"}
    path, head = ".github/workflows/ci.yml", {"full_name": "acme/shop"}
    return github("workflow_run", number, workflow_run={**given, "path": path, "head_repository": head, **data})


def status(number: int, **data: object) -> Event:
    branches = [{"name": "main"}, {"name": "task-7-pay"}]
    given = {"context": "ci/build", "state": "success", "updated_at": "2026-11-25T11:00:00Z", "branches": branches}
    return github("status", number, **given | data)


def deployed(number: int, state: str = "success", ref: str = "task-7-pay") -> Event:
    given = {"state": state, "updated_at": "2026-11-25T11:00:00Z"}
    return github("deployment_status", number, deployment_status=given, deployment={"ref": ref})


@pytest.mark.parametrize(
    ("gate", "right", "wrong"),
    [
        ("checks-passed", suite(1), [suite(2, conclusion="failure"), suite(3, app={"id": 15368})]),
        ("checks-passed", suite(1), [suite(2, pull_requests=[]), suite(3, head_branch="main")]),
        ("workflow-passed", run(1), [run(2, conclusion="cancelled"), run(3, path=".github/workflows/lint.yml")]),
        ("workflow-passed", run(1), [run(2, head_repository={"full_name": "stranger/shop"})]),
        (
            "status-passed",
            status(1),
            [status(2, state="failure"), status(3, context="ci/lint"), status(4, branches=[])],
        ),
        ("deployed", deployed(1), [deployed(2, "failure"), deployed(3, ref="main")]),
        (
            "comment-approved",
            comment(1, "/lgtm"),
            [comment(2, "do not /approve"), comment(3, "/approve", by="CONTRIBUTOR"), comment(4, "/lgtm cancel now")],
        ),
    ],
)
def test_checks_and_commands_open_their_gate_and_others_do_not(
    gate: str, right: Event, wrong: list[Event], tmp_path: Path
) -> None:
    answers, phase = deliver(tmp_path, gate, *wrong)
    assert {answer.outcome for answer in answers} <= {"ignored", "refused"}
    assert phase == "Running"
    (answer,), phase = deliver(tmp_path, gate, right)
    assert (answer.outcome, phase) == ("opened", "Succeeded"), answer


def test_a_command_takes_back_what_a_command_said(tmp_path: Path) -> None:
    """The cancel arrives first: what it revokes is refused when it arrives."""
    events = [comment(2, "/lgtm cancel"), comment(1, "/lgtm"), comment(3, " /approve\r\n")]
    answers, phase = deliver(tmp_path, "comment-approved", *events)
    assert [answer.outcome for answer in answers] == ["withdrawn", "refused", "opened"]
    assert phase == "Succeeded"


def test_a_person_of_one_source_is_not_one_of_another(tmp_path: Path) -> None:
    (answer,), phase = deliver(tmp_path, GATES["gitlab"], changed("gitlab", "user.username", "alice"))  # gitea:alice
    assert (answer.code, phase) == ("person-not-allowed", "Running")


def test_the_sensor_makes_the_types_that_the_rules_name() -> None:
    (sensor,) = [one for one in _manifests() if one["kind"] == "Sensor"]
    made = {}
    for trigger in sensor["spec"]["triggers"]:
        (src,) = [each["src"] for each in trigger["template"]["http"]["payload"] if each["dest"] == "type"]
        made[trigger["template"]["name"]] = src.get("value") or src["dataTemplate"].partition("{{")[0]
    assert made.keys() == GATES.keys() - {"operator", "workflow"}
    for name, prefix in made.items():
        assert event(name)["type"].startswith(prefix)


def test_argo_events_accepts_the_manifests(problems: Callable[[Iterable[Event]], list[str]]) -> None:
    assert problems(_manifests()) == []


def _manifests() -> list[Event]:
    return list(yaml.safe_load_all((FOLDER / "argo-events.yaml").read_text()))
