"""The whole cluster: HTTP, controller, subscriptions, start and stop."""

from __future__ import annotations

import ast
import json
import logging
import queue
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import urllib3

import func.devcluster
from func.devcluster import (
    NAMESPACES,
    WORKFLOWS,
    ApiError,
    Change,
    EmbeddedCluster,
    Identity,
    LoadError,
    load_objects,
    watches,
)
from tests.programs import needs

RECORDINGS = Path(__file__).parent.parent / "data" / "argo-recordings"
PATH = "/apis/argoproj.io/v1alpha1/namespaces/agent-platform/workflows"
NAME = "play-task-3-workflow"
GATE = "play-task-3-workflow-3495908942"
OPEN = [
    {"op": "test", "path": f"/status/nodes/{GATE}/phase", "value": "Running"},
    {"op": "replace", "path": f"/status/nodes/{GATE}/phase", "value": "Succeeded"},
    {"op": "add", "path": f"/status/nodes/{GATE}/finishedAt", "value": "2026-11-22T10:20:18Z"},
]
SECONDS = 60  # only a test that fails waits so long
STEPS = {"name": "main", "steps": [[{"name": "a", "template": "gate"}]]}


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(SECONDS))
    yield pool
    pool.clear()


def waiting(*names: str) -> list[dict[str, Any]]:
    return load_objects([RECORDINGS / name / "waiting.json" for name in names or ("steps-first-gate",)])


def patch(http: urllib3.PoolManager, cluster: EmbeddedCluster, operations: Any, name: str = NAME) -> int:  # noqa: ANN401
    headers = {"Content-Type": "application/json-patch+json"}
    body = json.dumps(operations).encode()
    return int(http.request("PATCH", f"{cluster.url}{PATH}/{name}", body=body, headers=headers).status)


def changes_of(cluster: EmbeddedCluster, **how: Any) -> queue.SimpleQueue[Change]:  # noqa: ANN401 - passed on
    seen: queue.SimpleQueue[Change] = queue.SimpleQueue()
    cluster.follow(seen.put, **how)
    return seen


def running(change: Change) -> list[str]:
    nodes = change.object["status"]["nodes"].values()
    return [node["displayName"] for node in nodes if node["type"] == "Suspend" and node["phase"] == "Running"]


def test_an_opened_gate_is_followed_by_the_next(http: urllib3.PoolManager) -> None:
    with EmbeddedCluster(objects=waiting()) as cluster:
        seen = changes_of(cluster)
        assert patch(http, cluster, OPEN) == 200
        opened, advanced = seen.get(timeout=SECONDS), seen.get(timeout=SECONDS)
    assert running(opened) == []
    assert running(advanced) == ["wait-ready-for-qa"]
    assert advanced.old == opened.object
    # The controller writes in process: what is counted are the calls of clients.
    assert [method for method, _ in cluster.requests] == ["PATCH"]


def test_without_controller_nothing_goes_on(http: urllib3.PoolManager) -> None:
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster:
        assert patch(http, cluster, OPEN) == 200
        version = cluster.store.version
    assert cluster.store.version == version


def test_what_was_opened_before_the_start_goes_on() -> None:
    objects = load_objects([RECORDINGS / "steps-supplied-outputs-set" / "resumed.json"])
    cluster = EmbeddedCluster(objects=objects)
    seen = changes_of(cluster)
    with cluster:
        assert running(seen.get(timeout=SECONDS)) == ["wait-pr-merged"]


def test_a_new_workflow_is_started_and_ends(http: urllib3.PoolManager) -> None:
    templates = [STEPS, {"name": "gate", "suspend": {}}]
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "short"}}
    with EmbeddedCluster() as cluster:
        seen = changes_of(cluster)
        path = f"{cluster.url}/apis/argoproj.io/v1alpha1/namespaces/default/workflows"
        created = http.request("POST", path, json={**body, "spec": {"entrypoint": "main", "templates": templates}})
        assert created.status == 201
        states = [seen.get(timeout=SECONDS) for _ in range(2)]
        assert created.json()["metadata"]["name"] == "short"
        gate = next(node for node in states[1].object["status"]["nodes"].values() if node["type"] == "Suspend")
        done = {"op": "replace", "path": f"/status/nodes/{gate['id']}/phase", "value": "Succeeded"}
        headers = {"Content-Type": "application/json-patch+json"}
        assert http.request("PATCH", f"{path}/short", body=json.dumps([done]), headers=headers).status == 200
        states += [seen.get(timeout=SECONDS) for _ in range(2)]
    assert [change.type for change in states] == ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED"]
    phases = [change.object.get("status", {}).get("phase") for change in states]
    assert phases == [None, "Running", "Running", "Succeeded"]


def test_a_race_with_the_controller_is_run_again() -> None:
    """Whoever writes between the controller's look and its write is not overwritten, and the Workflow goes on."""
    with EmbeddedCluster(objects=waiting()) as cluster:
        seen = changes_of(cluster)

        def interfere(document: dict[str, Any]) -> dict[str, Any]:
            count = int(document["metadata"].get("annotations", {}).get("count", 0)) + 1
            annotations = {**document["metadata"].get("annotations", {}), "count": str(count)}
            return {**document, "metadata": {**document["metadata"], "annotations": annotations}}

        def open_gate(document: dict[str, Any]) -> dict[str, Any]:
            nodes = document["status"]["nodes"]
            opened = {**nodes, GATE: {**nodes[GATE], "phase": "Succeeded"}}
            return {**document, "status": {**document["status"], "nodes": opened}}

        cluster.store.change(WORKFLOWS, "agent-platform", NAME, open_gate)
        for _ in range(300):
            cluster.store.change(WORKFLOWS, "agent-platform", NAME, interfere)
        last = seen.get(timeout=SECONDS)
        while running(last) != ["wait-ready-for-qa"] or last.object["metadata"]["annotations"].get("count") != "300":
            last = seen.get(timeout=SECONDS)


def test_what_the_controller_cannot_run_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "pod"}}
    with caplog.at_level(logging.WARNING), EmbeddedCluster() as cluster:
        seen = changes_of(cluster)
        pod = {"entrypoint": "main", "templates": [{"name": "main", "container": {"image": "alpine"}}]}
        cluster.store.create(WORKFLOWS, "default", {**body, "spec": pod})

        def label(document: dict[str, Any]) -> dict[str, Any]:
            return {**document, "metadata": {**document["metadata"], "labels": {"a": "b"}}}

        cluster.store.change(WORKFLOWS, "default", "pod", label)
        # A second Workflow that starts shows that the turn of the first one is over.
        gates = {"entrypoint": "main", "templates": [STEPS, {"name": "gate", "suspend": {}}]}
        cluster.store.create(WORKFLOWS, "default", {**body, "metadata": {"name": "gates"}, "spec": gates})
        while seen.get(timeout=SECONDS).object.get("status", {}).get("nodes") is None:
            pass
        assert "status" not in cluster.store.get(WORKFLOWS, "default", "pod").document
    logged = [record.getMessage() for record in caplog.records if "stays as it is" in record.getMessage()]
    assert logged == ["the Workflow default/pod stays as it is: its entrypoint is not a list of steps"]


def test_odd_workflows_do_not_stop_the_controller(caplog: pytest.LogCaptureFixture) -> None:
    body = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
    odd = [{"templates": 5}, {"templates": [{"name": "x", "dag": 3}], "entrypoint": "x"}, {"entrypoint": ["a"]}]
    with caplog.at_level(logging.CRITICAL), EmbeddedCluster() as cluster:
        for number, spec in enumerate(odd):
            cluster.store.create(WORKFLOWS, "default", {**body, "metadata": {"name": f"odd-{number}"}, "spec": spec})
        seen = changes_of(cluster)
        gates = {"entrypoint": "main", "templates": [STEPS, {"name": "gate", "suspend": {}}]}
        cluster.store.create(WORKFLOWS, "default", {**body, "metadata": {"name": "gates"}, "spec": gates})
        while seen.get(timeout=SECONDS).object.get("status", {}).get("nodes") is None:
            pass


def test_a_subscription_sees_labels_come_and_go() -> None:
    with EmbeddedCluster(controller=False, objects=waiting("steps-first-gate", "dag-parallel-gates")) as cluster:
        seen: list[tuple[str, str, str | None]] = []
        done = threading.Event()

        def note(change: Change) -> None:
            old = change.old["metadata"]["resourceVersion"] if change.old else None
            seen.append((change.type, change.object["metadata"]["name"], old))
            if len(seen) == 5:
                done.set()

        with pytest.raises(ValueError, match="not a label selector"):
            cluster.follow(note, label_selector="a in b")
        subscription = cluster.follow(note, label_selector="stage=on", existing=True)

        def label(**labels: str) -> str:
            def change(document: dict[str, Any]) -> dict[str, Any]:
                return {**document, "metadata": {**document["metadata"], "labels": labels}}

            return str(cluster.store.change(WORKFLOWS, "agent-platform", NAME, change).version)

        first = str(cluster.store.get(WORKFLOWS, "agent-platform", NAME).version)
        versions = [first, label(stage="on"), label(stage="on", more="1"), label(stage="off"), label(stage="on")]
        cluster.store.delete(WORKFLOWS, "agent-platform", NAME)
        assert done.wait(SECONDS)
        subscription.close()
    kinds = ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
    assert seen == [(kind, NAME, version) for kind, version in zip(kinds, versions, strict=True)]


def test_a_subscription_can_begin_with_what_is_there_and_may_write() -> None:
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster:
        done = threading.Event()

        def answer(change: Change) -> None:
            if change.type == "ADDED" and change.object["metadata"]["name"] == NAME:
                cluster.store.delete(WORKFLOWS, "agent-platform", NAME)
            elif change.type == "DELETED":
                done.set()

        cluster.follow(answer, existing=True)
        assert done.wait(SECONDS)


def test_stopping_ends_watches_and_threads(http: urllib3.PoolManager) -> None:
    before = set(threading.enumerate())
    cluster = EmbeddedCluster(objects=waiting())
    with cluster:
        changes_of(cluster)
        watch = http.request("GET", f"{cluster.url}{PATH}?watch=true", preload_content=False)
        assert b'"ADDED"' in next(watch.stream(None))
    rest = list(watch.stream(None))
    watch.close()
    assert rest == []
    assert set(threading.enumerate()) == before
    with pytest.raises(urllib3.exceptions.HTTPError):
        http.request("GET", f"{cluster.url}/readyz")


def test_a_client_that_leaves_ends_its_watch(http: urllib3.PoolManager) -> None:
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster:
        watch = http.request("GET", f"{cluster.url}{PATH}?watch=true", preload_content=False)
        next(watch.stream(None))
        watch.close()
        gone = threading.Event()
        for _ in range(1000):
            if not cluster.store.subscriptions:
                gone.set()
                break
            http.request("GET", f"{cluster.url}/readyz")
        assert gone.is_set()


def test_every_request_is_counted_with_its_query(http: urllib3.PoolManager) -> None:
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster:
        http.request("GET", f"{cluster.url}{PATH}?labelSelector=task-id%3D3")
        http.request("GET", f"{cluster.url}{PATH}/nobody")
        assert list(cluster.requests) == [("GET", f"{PATH}?labelSelector=task-id%3D3"), ("GET", f"{PATH}/nobody")]
        cluster.requests.clear()
        http.request("DELETE", f"{cluster.url}{PATH}/nobody")
        assert cluster.requests[0].method == "DELETE"


def test_one_connection_serves_many_requests() -> None:
    with EmbeddedCluster(controller=False) as cluster:
        client = HTTPConnection("127.0.0.1", cluster.port, timeout=SECONDS)
        client.connect()
        first = client.sock
        for _ in range(3):
            client.request("GET", "/readyz")
            assert client.getresponse().read() == b"ok"
            assert client.sock is first
        client.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/apis/nothing.io/v1/things", 404),
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/default/workflows/a/b/c", 404),
        ("GET", "/apis/argoproj.io/v1alpha1/workflows/a", 404),
        ("GET", "/api/v1/namespaces/default/namespaces", 404),
        ("POST", "/apis/argoproj.io/v1alpha1/workflows", 405),
        ("DELETE", "/apis/argoproj.io/v1alpha1/namespaces/default/workflows", 405),
        ("PUT", "/api/v1/namespaces", 405),
    ],
)
def test_what_is_not_served_is_a_status(http: urllib3.PoolManager, method: str, path: str, status: int) -> None:
    with EmbeddedCluster(controller=False) as cluster:
        answer = http.request(method, cluster.url + path)
    assert (answer.status, answer.json()["kind"], answer.json()["code"]) == (status, "Status", status)


def test_a_watch_that_falls_too_far_behind_ends(http: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "MAX_WAITING", -1)
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster:
        watch = http.request("GET", f"{cluster.url}{PATH}?watch=true", preload_content=False)
        stream = watch.stream(None)
        next(stream)
        assert patch(http, cluster, OPEN) == 200
        assert list(stream) == []
        watch.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez"])
def test_health(http: urllib3.PoolManager, path: str) -> None:
    with EmbeddedCluster(controller=False) as cluster:
        assert http.request("GET", cluster.url + path).data == b"ok"


def test_registered_tokens_are_authenticated(http: urllib3.PoolManager) -> None:
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    with EmbeddedCluster(controller=False) as cluster:
        cluster.tokens["secret"] = Identity("system:serviceaccount:a:b", audiences=("taskgate",))
        cluster.tokens["plain"] = Identity("somebody", uid="1")

        def review(token: str, *audiences: str) -> Any:  # noqa: ANN401 - JSON
            spec = {"token": token, "audiences": audiences}
            answer = http.request("POST", cluster.url + path, json={"kind": "TokenReview", "spec": spec})
            assert answer.status == 201
            return answer.json()["status"]

        fitting = review("secret", "other", "taskgate")
        assert (fitting["authenticated"], fitting["audiences"]) == (True, ["taskgate"])
        assert fitting["user"]["username"] == "system:serviceaccount:a:b"
        assert review("plain")["user"]["uid"] == "1"
        for refused in (review("secret"), review("secret", "other"), review("plain", "taskgate"), review("made up")):
            assert refused["authenticated"] is False
            assert refused["error"]
        assert http.request("GET", cluster.url + path).status == 405


def test_a_taken_port_is_an_error() -> None:
    with EmbeddedCluster(controller=False) as cluster, pytest.raises(OSError, match="in use"):
        EmbeddedCluster(cluster.port)


def test_objects_that_are_none_are_refused_at_the_start() -> None:
    with pytest.raises(LoadError, match="not served here"):
        EmbeddedCluster(objects=[{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}])
    with pytest.raises(ApiError, match=r"metadata\.name"):
        EmbeddedCluster(objects=[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "A"}}])


def test_the_namespaces_of_loaded_objects_are_there() -> None:
    cluster = EmbeddedCluster(objects=waiting())
    cluster.stop()
    assert [each.name for each in cluster.store.select(NAMESPACES).items] == ["agent-platform", "default"]


def test_an_error_of_the_server_itself_is_a_status_without_a_traceback(
    http: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster, caplog.at_level(logging.CRITICAL):
        monkeypatch.setattr(cluster.store, "get", lambda *_: 1 / 0)
        answer = http.request("GET", f"{cluster.url}{PATH}/{NAME}")
    assert (answer.status, answer.json()["reason"]) == (500, "InternalError")
    assert b"ZeroDivision" not in answer.data


@needs("kubectl")
def test_kubectl(tmp_path: Path) -> None:
    with EmbeddedCluster(objects=waiting()) as cluster:
        config = cluster.write_kubeconfig(tmp_path / "kubeconfig", namespace="agent-platform")

        def kubectl(*arguments: str, objects: str = "") -> str:
            command = ["kubectl", f"--kubeconfig={config}", f"--cache-dir={tmp_path / 'cache'}", *arguments]
            result = subprocess.run(command, input=objects, capture_output=True, text=True, check=False, timeout=30)
            return result.stdout + result.stderr

        assert NAME in kubectl("get", "wf")
        listed = json.loads(kubectl("get", "workflows", "-A", "-l", "task-id=3", "-o", "json"))
        assert [item["metadata"]["name"] for item in listed["items"]] == [NAME]
        assert "annotated" in kubectl("annotate", "wf", NAME, "note=this")
        assert "patched" in kubectl("patch", "wf", NAME, "--type=json", "-p", json.dumps(OPEN))
        lost = kubectl("patch", "wf", NAME, "--type=json", "-p", json.dumps(OPEN))
        assert "the server rejected our request due to an error in our request" in lost
        manifest = json.dumps(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Workflow",
                "metadata": {"generateName": "made-"},
                "spec": {"entrypoint": "main", "templates": [{"name": "main", "suspend": {}}]},
            }
        )
        assert "created" in kubectl("create", "-f", "-", objects=manifest)
        assert "deleted" in kubectl("delete", "wf", NAME)
        assert f'workflows.argoproj.io "{NAME}" not found' in kubectl("get", "wf", NAME)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8090", 200),
        ("localhost", 200),
        ("[::1]:8090", 200),
        ("attacker.example", 403),
        ("127.0.0.1.attacker.example:8090", 403),
        ("attacker.example:8090@127.0.0.1", 403),
    ],
)
def test_only_loopback_names_are_served(http: urllib3.PoolManager, host: str, status: int) -> None:
    """A page whose own name resolves to 127.0.0.1 cannot read the cluster (DNS rebinding)."""
    with EmbeddedCluster(controller=False, objects=waiting()) as cluster:
        answer = http.request("GET", f"{cluster.url}{PATH}/{NAME}", headers={"Host": host})
    assert answer.status == status
    assert (NAME in answer.data.decode()) == (status == 200)


def test_a_page_of_another_site_creates_nothing(http: urllib3.PoolManager) -> None:
    with EmbeddedCluster(controller=False) as cluster:
        cluster.store.ensure_namespace("agent-platform")
        (workflow,) = waiting()
        body = json.dumps({**workflow, "metadata": {"name": NAME}}).encode()
        for origin, status in ({"Origin": "http://attacker.example"}, 403), ({}, 201):
            assert http.request("POST", f"{cluster.url}{PATH}", body=body, headers=origin).status == status


def test_the_embedded_api_shares_only_parsers_with_the_function_that_it_tests() -> None:
    commands = {"cluster.py", "comparison.py", "demo.py", "function_process.py", "releases.py", "sample_events.py"}
    imported = set()
    for file in Path(str(func.devcluster.__file__)).parent.glob("*.py"):
        if file.name in commands:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(str(node.module))
    own = {name for name in imported if name.split(".")[0] == "func"}
    assert own
    assert {name for name in own if not name.startswith("func.devcluster")} == {
        "func.core.label_selectors",  # whose tests and the contract suite have a meaning of their own
        "func.core.yaml_loader",
        "func.service.sockets",
    }
