"""docs/company/gates.yaml, played through against the real API server with the full CRD of Workflows.

The function has the permissions and the admission policy of the manifests. The stand-in controller of `func.devcluster`
moves the Workflow on after each gate.
"""

from __future__ import annotations

import copy
import functools
import gzip
import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.devcluster.workflows import advance
from tests import payloads
from tests.cluster.api_client import WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.fixtures import CRDS, WORKFLOW_CRDS, running_api_server
from tests.cluster.installation import install
from tests.cluster.kubeconfig_function import FunctionWithKubeconfig
from tests.cluster.processes import Processes
from tests.payloads import Payload, Request

RULES = Path(__file__).parents[2] / "docs/company/gates.yaml"
EXAMPLES = Path(__file__).parents[1] / "data/github-examples.json.gz"
PATH = WORKFLOWS.format("delivery")
GATES = list(yaml.safe_load(RULES.read_text())["gates"])
SHOP, ANN, BEN, CAT = "acme/shop", "ann", "ben", "cat"
_ids = itertools.count(1)
Wrong = tuple[Request, str, str]  # event, its outcome and code


@functools.cache
def examples() -> dict[str, list[Payload]]:
    loaded = json.loads(gzip.decompress(EXAMPLES.read_bytes()))
    return {each["name"]: each["examples"] for each in loaded}


@functools.cache
def start() -> datetime:
    """Return when the story of a test begins: an event from long before its Workflow would be refused."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=3)


@pytest.fixture(autouse=True)
def begin() -> None:
    start.cache_clear()


def stamp(second: int) -> str:
    return (start() + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")


def github(kind: str, change: Callable[[Payload], None], repository: str = SHOP) -> Request:
    """One of GitHub's examples, changed, as the Sensor sends it."""
    payload = copy.deepcopy(examples()[kind][0])
    payload["repository"]["full_name"] = repository
    change(payload)
    return payloads.cloudevent_structured(payload, event=kind, delivery=f"delivery-{next(_ids)}")


def comment(
    second: int,
    body: str = "/approve",
    by: str = "MEMBER",
    title: str = "ABC-123 Pay by card",
    **more: Any,  # noqa: ANN401
) -> Request:
    def change(payload: Payload) -> None:
        payload["comment"] |= {"body": body, "author_association": by, "updated_at": stamp(second)}
        links = {"url": f"https://api.github.com/repos/{SHOP}/pulls/41"}
        payload["issue"] |= {"title": title, "number": 41, "state": "open", "labels": [], "pull_request": links}
        payload["issue"] |= {name: value for name, value in more.items() if name != "repository"}

    return github("issue_comment", change, more.get("repository", SHOP))


def suite(
    second: int, branch: str = "feature/abc-123-pay", app: int = 29310, number: int | None = 41, ended: str = "success"
) -> Request:
    def change(payload: Payload) -> None:
        given = payload["check_suite"]
        given |= {"head_branch": branch, "conclusion": ended, "updated_at": stamp(second)}
        given["app"]["id"] = app
        given["pull_requests"] = [given["pull_requests"][0] | {"number": number}] if number else []

    return github("check_suite", change)


def review(
    second: int,
    by: str,
    word: str = "approved",
    member: str = "MEMBER",
    branch: str = "feature/abc-123-pay",
    **more: Any,  # noqa: ANN401
) -> Request:
    make = payloads.approved if word == "approved" else payloads.changes_requested
    payload = make(
        **{"number": 41, **more},
        task=None,
        repository=SHOP,
        branch=branch,
        title="Pay by card",
        labels=[],
        author=ANN,
        by=by,
        review_id=1000 + next(_ids),
        happened=start() + timedelta(seconds=second),
    )
    payload["review"]["author_association"] = member
    return payloads.cloudevent_structured(payload, delivery=f"delivery-{next(_ids)}")


def deployment(
    second: int, state: str = "success", ref: str = "feature/abc-123-pay", environment: str = "production"
) -> Request:
    def change(payload: Payload) -> None:
        payload["deployment_status"] |= {"state": state, "updated_at": stamp(second)}
        payload["deployment"] |= {"ref": ref, "environment": environment}

    return github("deployment_status", change)


def other(kind: str, second: int, data: Payload) -> Request:
    event = {"specversion": "1.0", "id": f"other-{next(_ids)}", "type": kind, "source": f"/{kind}"}
    event |= {"time": stamp(second)}
    return {"content-type": "application/cloudevents+json"}, json.dumps(event | {"data": data}).encode()


def alert(second: int, status: str = "resolved", name: str = "DeployErrors", ticket: str = "ABC-123") -> Request:
    """Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""
    labels = {"alertname": name, "ticket": ticket, "repository": SHOP}
    ends = f"{stamp(second)[:-1]}.739266876Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    one = {"status": status, "labels": labels, "annotations": {}, "startsAt": stamp(0), "endsAt": ends}
    data = {"version": "4", "groupKey": '{}:{alertname="DeployErrors"}', "truncatedAlerts": 0, "status": status}
    data |= {"receiver": "taskgate", "groupLabels": {"alertname": name}, "commonLabels": labels, "alerts": [one]}
    data |= {"commonAnnotations": {}, "externalURL": "https://alerts.example.com"}
    return other("io.prometheus.alertmanager", second, data)


def release(second: int, action: str = "create", name: str = "ABC-123 Pay by card") -> Request:
    """Source: https://docs.gitlab.com/user/project/integrations/webhook_events/#release-events"""
    project = {"id": 2, "name": "shop", "path_with_namespace": SHOP, "web_url": f"https://gitlab.example.com/{SHOP}"}
    data = {"object_kind": "release", "action": action, "name": name, "tag": "v1.1", "project": project}
    return other("com.gitlab.release", second, data | {"released_at": "2026-11-25 12:55:12 UTC"})


def submitted(ticket: str) -> Object:
    steps = [[{"arguments": {}, "name": gate, "template": "gate"}] for gate in GATES]
    common: Object = {"inputs": {}, "metadata": {}, "outputs": {}}
    labels = {"app.kubernetes.io/part-of": "delivery", "ticket": ticket}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "delivery-", "labels": labels},
        "spec": {
            "arguments": {},
            "entrypoint": "main",
            "templates": [{**common, "name": "main", "steps": steps}, {**common, "name": "gate", "suspend": {}}],
        },
    }


class Company:
    """A cluster with Workflows, and the function with the company's rules."""

    def __init__(self, api: RealApiServer, function: FunctionWithKubeconfig) -> None:
        self._api = api
        self._function = function

    def submit(self, ticket: str) -> str:
        name: str = self._api.admin.must("POST", PATH, submitted(ticket))["metadata"]["name"]
        self.settle(name)
        return name

    def get(self, name: str) -> Object:
        found: Object = self._api.admin.must("GET", f"{PATH}/{name}")
        return found

    def settle(self, name: str) -> None:
        """Let the stand-in controller make all of its turns."""
        while (turned := advance(self.get(name), datetime.now(UTC))) is not None:
            self._api.admin.must("PUT", f"{PATH}/{name}", turned)

    def gates(self, name: str) -> dict[str, str]:
        nodes = self.get(name)["status"]["nodes"].values()
        return {node["displayName"]: node["phase"] for node in nodes if node["type"] == "Suspend"}

    def deliver(self, event: Request) -> tuple[str, str, str | None]:
        _, answer = self._function.post(event)
        return answer["outcome"], answer["code"], (answer["workflow"] or {}).get("name")

    def must_not_open(self, name: str, wrong: list[Wrong]) -> None:
        before = self.gates(name)
        for event, outcome, code in wrong:
            assert self.deliver(event)[:2] == (outcome, code), event
            assert self.gates(name) == before

    def opens(self, name: str, gate: str, event: Request) -> None:
        assert self.gates(name)[gate] == "Running"
        assert self.deliver(event) == ("opened", "opened", name)
        assert self.gates(name)[gate] == "Succeeded"
        self.settle(name)


@pytest.fixture(scope="module")
def company(
    tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory, argo_events_manifests: list[Object]
) -> Iterator[Company]:
    manifests = json.loads(json.dumps(argo_events_manifests).replace("agent-platform", "delivery"))
    with running_api_server(tools, processes, tmp_path_factory.mktemp("company"), WORKFLOW_CRDS["full"]) as api:
        api.create_namespace("delivery")
        install(api, [*sorted((tools / "crds").iterdir()), *sorted(CRDS.glob("knative-*.yaml"))], manifests)
        kubeconfig = api.kubeconfig_for(api.token_for("taskgate", "taskgate"))
        function = FunctionWithKubeconfig(processes, kubeconfig, TASKGATE_CONFIG=str(RULES))
        try:
            function.start()
            yield Company(api, function)
        finally:
            function.close()


def test_a_ticket_from_its_first_event_to_the_end_of_its_workflow(company: Company) -> None:
    neighbours = {name: company.get(name) for name in (company.submit("ABC-12"), company.submit("ABC-1234"))}
    name = company.submit("ABC-123")
    sent: list[Request] = []

    def opens(gate: str, event: Request) -> None:
        company.opens(name, gate, event)
        sent.append(event)

    company.must_not_open(
        name,
        [
            (comment(1, "do not /approve"), "ignored", "no-rule"),
            (comment(1, by="CONTRIBUTOR"), "ignored", "no-rule"),
            (comment(1, pull_request=None), "ignored", "no-rule"),  # on an issue
            (comment(1, state="closed"), "refused", "pull-request-closed"),
            (comment(1, title="ABC-124 Pay later"), "no-workflow", "no-workflow"),
            (comment(1, title="Pay by card"), "ignored", "no-task"),
            (comment(1, repository="acme/shop-next"), "ignored", "repository-not-listed"),
        ],
    )
    opens("approve-staging", comment(2, " /approve\r\n"))
    company.must_not_open(
        name,
        [
            (suite(3, ended="failure"), "ignored", "no-rule"),
            (suite(3, app=15368), "ignored", "no-rule"),
            (suite(3, branch="main"), "ignored", "no-task"),
            (suite(3, number=None), "refused", "unknown-head"),
            (suite(3, number=42), "refused", "other-pull-request"),
            (suite(3, branch="abc-124"), "no-workflow", "no-workflow"),
        ],
    )
    opens("ci-passed", suite(4))
    company.must_not_open(
        name,
        [
            (review(5, ANN), "refused", "author-not-allowed"),
            (review(5, BEN, member="NONE"), "ignored", "no-rule"),  # not a member's: no rule is for it
            (review(5, BEN, reviewed="c" * 40), "refused", "not-head"),
            (review(5, BEN, number=42), "refused", "other-pull-request"),
            (review(5, BEN, head_repository="stranger/shop"), "refused", "fork"),
            (review(6, BEN), "parked", "quorum"),
            (review(7, BEN), "parked", "quorum"),  # the same person again
        ],
    )
    opens("approve-prod", review(8, CAT, branch="ABC-123"))
    company.must_not_open(
        name,
        [
            (deployment(9, state="failure"), "ignored", "no-rule"),
            (deployment(9, environment="staging"), "ignored", "no-rule"),
            (deployment(9, ref="main"), "ignored", "no-task"),
            (deployment(9, ref="fix/ABC-99-x"), "no-workflow", "no-workflow"),
        ],
    )
    opens("deployed", deployment(10))
    company.must_not_open(
        name,
        [
            (alert(11, status="firing"), "ignored", "no-rule"),
            (alert(11, name="DiskFull"), "ignored", "no-rule"),
            (alert(11, ticket="ABC-124"), "no-workflow", "no-workflow"),
        ],
    )
    opens("alert-resolved", alert(12, ticket="abc-123"))
    company.must_not_open(
        name,
        [
            (release(13, action="update"), "ignored", "no-rule"),
            (release(13, name="Autumn release"), "ignored", "no-task"),
            (release(13, name="ABC-124 Pay later"), "no-workflow", "no-workflow"),
        ],
    )
    opens("released", release(14))
    finished = company.get(name)
    assert finished["status"]["phase"] == "Succeeded"
    assert company.gates(name) == dict.fromkeys(GATES, "Succeeded")
    for event in sent:
        assert company.deliver(event)[:2] == ("duplicate", "duplicate")
    assert company.get(name) == finished
    assert {each: company.get(each) for each in neighbours} == neighbours


def test_requested_changes_send_the_workflow_down_its_failure_path(company: Company) -> None:
    name = company.submit("ABC-7")
    of: dict[str, Any] = {"number": 77, "branch": "ABC-7-x"}
    company.opens(name, "approve-staging", comment(1, title="ABC-7 x", number=77))
    company.opens(name, "ci-passed", suite(2, branch="ABC-7-x", number=77))
    company.must_not_open(
        name,
        [
            (review(3, BEN, **of), "parked", "quorum"),
            (review(4, ANN, "changes_requested", **of), "refused", "author-not-allowed"),
            (review(4, CAT, "changes_requested", member="NONE", **of), "refused", "revoked-nothing"),
        ],
    )
    assert company.deliver(review(5, CAT, "changes_requested", **of)) == ("failed", "failed", name)
    assert company.gates(name)["approve-prod"] == "Failed"
    company.settle(name)
    assert company.get(name)["status"]["phase"] == "Failed"
    assert "deployed" not in company.gates(name)
