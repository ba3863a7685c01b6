"""The recipes of docs/sources.md, with the real EventSource, bus and Sensor, and the function on a real API server.

Each sender's webhook has the payload of docs/sources/events and the headers that the sender documents.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
import yaml

from tests.cluster.api_client import WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import ArgoEvents, EventSource, Object, Sensor
from tests.cluster.event_bus import Nats
from tests.cluster.installation import SECRETS_PATH, SERVICE, TOKEN
from tests.cluster.pod import Pod
from tests.cluster.processes import Processes, wait_for
from tests.cluster.sink import Sink
from tests.docs.markdown import DOCS, ROOT, blocks
from tests.manifests.building import find
from tests.payloads import Request
from tests.programs import needs
from tests.recorded_workflows import NAMESPACE, gate_node, stamp, waiting_workflow

SOURCES = DOCS / "sources"
OURS = WORKFLOWS.format(NAMESPACE)
MANIFESTS: list[Object] = list(yaml.safe_load_all((SOURCES / "argo-events.yaml").read_text()))
SECRETS = {
    "gitlab": {"token": "glpat-1", "secret": "gitlab's secret"},
    "bitbucket": {"token": "bitbucket's token"},
    "slack": {"signing-secret": "slack's signing secret", "verification-token": "9s8d9as89d8as9d8as989"},
    "gitea": {"token": "gitea's token"},
    "alertmanager": {"token": "alertmanager's token"},
}
Data = dict[str, Any]
_http = urllib3.PoolManager(retries=False, timeout=60)


def gitlab(data: Data, secret: str, delivery: str) -> Request:
    """Source: https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers"""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/18.6.0",
        "Idempotency-Key": delivery,
        "X-Gitlab-Event": "Merge Request Hook",
        "X-Gitlab-Event-UUID": "13792a34-cac6-4fda-95a8-c58e00a3954e",
        "X-Gitlab-Instance": "https://gitlab.example.com",
        "X-Gitlab-Token": secret,
        "X-Gitlab-Webhook-UUID": "02affd2d-2cba-4033-917d-ec22d5dc4b38",
    }
    return headers, json.dumps(data).encode()


def bitbucket(data: Data, _secret: str, delivery: str) -> Request:
    """Source: https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/#HTTP-headers"""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Bitbucket-Webhooks/2.0",
        "X-Event-Key": "pullrequest:approved",
        "X-Hook-UUID": "0eb6e1a3-9a4d-4b0f-9a6c-5a8b2f0d7c11",
        "X-Request-UUID": delivery,
        "X-Attempt-Number": "1",
    }
    return headers, json.dumps(data).encode()


def gitea(data: Data, secret: str, delivery: str) -> Request:
    """Source: https://github.com/go-gitea/gitea, services/webhook/deliver.go, addDefaultHeaders"""
    kind = {"Event": "pull_request_approved", "Event-Type": "pull_request_review_approved", "Delivery": delivery}
    of_its_kin = {f"X-{name}-{key}": value for name in ("Gitea", "Gogs", "GitHub") for key, value in kind.items()}
    return {"Content-Type": "application/json", "Authorization": f"Bearer {secret}", **of_its_kin}, json.dumps(
        data
    ).encode()


def alertmanager(data: Data, secret: str, _delivery: str) -> Request:
    """Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Alertmanager/0.29.0",
        "Authorization": f"Bearer {secret}",
    }
    return headers, json.dumps(data).encode()


def slack(data: Data, secret: str, delivery: str) -> Request:
    """Source: https://docs.slack.dev/authentication/verifying-requests-from-slack, and the page of the payload.

    Argo Events decodes the form and writes the payload anew, with the fields that it knows: handleInteraction in
    pkg/eventsources/sources/slack/start.go:240 of v1.9.11. So this has also what the example leaves out.
    """
    payload = {
        **data,
        "trigger_id": delivery,
        "token": "9s8d9as89d8as9d8as989",
        "container": {
            "type": "message",
            "message_ts": "1548261231.000200",
            "channel_id": "C1AB2C3DE",
            "is_ephemeral": False,
        },
        "enterprise": None,
        "is_enterprise_install": False,
        "state": {"values": {}},
        "response_url": "https://hooks.slack.com/actions/AABA1ABCD/1232321423432/D09sSasdasdAS9091209",
        "message": {
            "bot_id": "BAH5CA16Z",
            "type": "message",
            "text": "Approve task 7?",
            "user": "UAJ2RU415",
            "ts": "1548261231.000200",
            "blocks": [{"type": "actions", "block_id": "=qXel", "elements": []}],
        },
    }
    body = urlencode({"payload": json.dumps(payload)})
    now = str(int(time.time()))
    signature = hmac.new(secret.encode(), f"v0:{now}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": now,
        "X-Slack-Signature": f"v0={signature}",
    }
    return headers, body.encode()


@dataclass(frozen=True)
class Sender:
    """A system that sends webhooks.

    Args:
        request: the headers and body of a delivery, from its payload, secret and id.
        secret: what authenticates it; empty where nothing does.
        gate: what its event opens.
        wrong: paths of the payload, with a value that the rules refuse.
    """

    request: Callable[[Data, str, str], Request]
    secret: str
    gate: str
    wrong: Mapping[str, tuple[str, str]]


SENDERS = {
    "gitlab": Sender(
        gitlab,
        SECRETS["gitlab"]["secret"],
        "gitlab-approved",
        {"user.username": ("mallory", "refused"), "object_attributes.action": ("unapproved", "ignored")},
    ),
    "bitbucket": Sender(
        bitbucket, "", "bitbucket-approved", {"approval.user.account_id": ("557058:mallory", "refused")}
    ),
    "slack": Sender(
        slack,
        SECRETS["slack"]["signing-secret"],
        "slack-approved",
        {"user.id": ("U0STRANGER", "refused"), "actions.0.action_id": ("reject", "ignored")},
    ),
    "gitea": Sender(
        gitea, SECRETS["gitea"]["token"], "gitea-approved", {"pull_request.user.login": ("alice", "refused")}
    ),
    "alertmanager": Sender(
        alertmanager, SECRETS["alertmanager"]["token"], "alert-resolved", {"status": ("firing", "ignored")}
    ),
}


@dataclass(frozen=True)
class Running:
    """The parts of the way that all tests of this module use."""

    api: RealApiServer
    gitlab: Sink
    source: EventSource
    sensor: Sensor
    function: Pod

    def start_task(self, gate: str) -> None:
        """Put a Workflow of task 7 there, which waits at a gate."""
        workflow = waiting_workflow(7, gate, gates=[gate])
        metadata = {key: workflow["metadata"][key] for key in ("name", "labels")}  # the rest is the API server's
        self.api.admin.must("POST", OURS, {**workflow, "metadata": metadata})

    def phase(self, gate: str) -> str:
        """Return the phase of the gate's node."""
        found: str = gate_node(self.api.admin.must("GET", f"{OURS}/play-task-7-workflow"), gate)["phase"]
        return found

    def send(self, name: str, request: Request) -> int:
        """Send a webhook to the EventSource, and return the status of its answer."""
        headers, body = request
        return _http.request("POST", self.source.url(name), body=body, headers=headers).status

    def new_answers(self, known: int) -> list[str]:
        """Return the outcomes after the first `known` ones, once the Sensor has delivered all."""
        wait_for("the Sensor to be done", lambda: self.sensor.idle() or None)
        return [answer["taskgate.outcome"] for answer in self.function.answers()[known:]]


@pytest.fixture(scope="module")
def running(
    tools: Path,
    processes: Processes,
    tmp_path_factory: pytest.TempPathFactory,
    installed_cluster: RealApiServer,
    argo_events_manifests: list[Object],
) -> Iterator[Running]:
    """The EventSource and the Sensor of the page, and the function with its rules."""
    folder = tmp_path_factory.mktemp("sources")
    for name, data in SECRETS.items():
        installed_cluster.admin.must("POST", SECRETS_PATH, {"metadata": {"name": name}, "stringData": data})
    manifests = copy.deepcopy(argo_events_manifests)
    (rules,) = (one for one in manifests if "gates.yaml" in one.get("data", {}))
    rules["data"]["gates.yaml"] = (SOURCES / "gates.yaml").read_text()
    with ExitStack() as started:
        nats = Nats(tools, processes, folder / "nats", find(manifests, "EventBus", "taskgate"))
        started.callback(nats.close)
        nats.start()
        function = Pod(processes, folder / "function", installed_cluster, manifests)
        started.callback(function.close)
        function.start()
        argo = ArgoEvents(tools, processes, folder / "argo-events", installed_cluster, nats, started)
        gitlab_api = Sink()
        started.callback(gitlab_api.close)
        others = copy.deepcopy(find(MANIFESTS, "EventSource", "others"))
        others["spec"]["gitlab"]["gitlab"]["gitlabBaseURL"] = "http://gitlab.example.com"
        source = argo.event_source(others, {"gitlab.example.com": gitlab_api.port})
        sensor = argo.sensor(find(MANIFESTS, "Sensor", "others"), {SERVICE: function.port})
        yield Running(installed_cluster, gitlab_api, source, sensor, function)


@pytest.fixture(autouse=True)
def no_workflows(installed_cluster: RealApiServer) -> Iterator[None]:
    """Leave no Workflow behind."""
    yield
    installed_cluster.admin.must("DELETE", OURS)


def payload_of(name: str) -> Data:
    """The data of an example, as if it had happened now: what is older than its Workflow is refused."""
    text = (SOURCES / "events" / f"{name}.json").read_text()
    now = stamp(datetime.now(UTC)).removesuffix("Z")
    data: Data = json.loads(text.replace("2026-11-25T11:00:00", now))["data"]
    return data


def changed(data: Data, path: str, value: str) -> Data:
    """A copy with another value at a path."""
    data = copy.deepcopy(data)
    at: Any = data
    *parents, last = path.split(".")
    for part in parents:
        at = at[int(part) if part.isdigit() else part]
    at[last] = value
    return data


@pytest.mark.parametrize("name", SENDERS)
def test_a_webhook_opens_its_gate_once_and_wrong_ones_do_not(name: str, running: Running) -> None:
    sender, data = SENDERS[name], payload_of(name)
    running.start_task(sender.gate)
    known = len(running.function.answers())
    if sender.secret:
        assert 400 <= running.send(name, sender.request(data, "not the secret", "forged")) < 500
    for path, (value, outcome) in sender.wrong.items():
        wrong = sender.request(changed(data, path, value), sender.secret, f"wrong-{path}")
        assert running.send(name, wrong) == 200
        assert running.new_answers(known) == [outcome]
        known += 1
    assert running.phase(sender.gate) == "Running"
    for _ in range(2):  # the sender may send it again
        assert running.send(name, sender.request(data, sender.secret, "right")) == 200
    assert running.new_answers(known) == ["opened", "duplicate"]
    assert running.phase(sender.gate) == "Succeeded"


def test_argo_events_creates_the_webhook_in_gitlab(running: Running) -> None:
    """Only then it checks the secret token: pkg/eventsources/sources/gitlab/start.go:172 of v1.9.11."""
    (request,) = running.gitlab.requests
    hook = request.json
    assert request.headers["private-token"] == SECRETS["gitlab"]["token"]
    assert (hook["url"], hook["token"]) == ("https://hooks.example.com/gitlab", SECRETS["gitlab"]["secret"])
    assert {name for name, value in hook.items() if value is True} == {
        *("merge_requests_events", "releases_events", "enable_ssl_verification")
    }


def slack_app(answer: str = "approve") -> Request:
    """What a Slack app of one's own sends to the function: the CloudEvent, with the function's token."""
    event = json.loads((SOURCES / "events/slack.json").read_text())
    event["time"] = stamp(datetime.now(UTC))
    event["data"]["actions"][0]["action_id"] = answer
    headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {TOKEN}"}
    return headers, json.dumps(event).encode()


def step_of_a_workflow(secrets: Mapping[str, str], phase: str = "Succeeded") -> Request:
    """What Argo's agent sends for the template of the page."""
    http = yaml.safe_load((SOURCES / "step.yaml").read_text())["spec"]["templates"][0]["http"]
    assert (http["method"], http["url"]) == ("POST", f"http://{SERVICE}/")
    body = http["body"].replace("{{workflow.uid}}", f"uid-{phase}").replace("{{workflow.name}}", "nightly-x7k2p")
    headers = {
        each["name"]: each.get("value") or secrets[each["valueFrom"]["secretKeyRef"]["key"]] for each in http["headers"]
    }
    return headers, body.replace("Succeeded", phase).encode()


def test_a_slack_app_and_a_step_of_a_workflow_call_the_function(running: Running) -> None:
    secret = running.api.admin.must("GET", f"{SECRETS_PATH}/taskgate-token")["data"]
    secrets = {key: base64.b64decode(value).decode() for key, value in secret.items()}
    for gate, wrong, right in (
        ("slack-approved", slack_app("reject"), slack_app()),
        ("step-done", step_of_a_workflow(secrets, "Failed"), step_of_a_workflow(secrets)),
    ):
        running.start_task(gate)
        assert running.function.post(({**right[0], "Authorization": "Bearer wrong"}, right[1]), None)[0] == 401
        status, answer = running.function.post(wrong, None)
        assert (status, answer["outcome"], running.phase(gate)) == (200, "ignored", "Running")
        status, answer = running.function.post(right, None)
        assert (status, answer["outcome"], running.phase(gate)) == (200, "opened", "Succeeded")
        running.api.admin.must("DELETE", OURS)


@needs("curl")
def test_an_operator_opens_a_gate_with_the_command_of_the_page(running: Running) -> None:
    ((_, command),) = [block for block in blocks((DOCS / "sources.md").read_text()) if block[1].startswith("curl")]
    command = command.replace("http://localhost:8080/", running.function.url)

    def run(token: str) -> str:
        done = subprocess.run(
            ["sh", "-c", f"{command.rstrip()} --silent"],
            cwd=ROOT,
            env={**os.environ, "TOKEN": token},
            capture_output=True,
            text=True,
            check=True,
        )
        outcome: str = json.loads(done.stdout)["outcome"]
        return outcome

    running.start_task("operator-approved")
    assert (run("wrong"), running.phase("operator-approved")) == ("invalid", "Running")
    assert (run(TOKEN), running.phase("operator-approved")) == ("opened", "Succeeded")
