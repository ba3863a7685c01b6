"""README and the page on installing: every command runs in order on the real API server.

Controllers do not run, so nothing follows from the applied objects but what the API server itself does with them.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import payloads
from tests.cli.events import cloudevent, dead_letter
from tests.cluster.api_client import MERGE_PATCH, WORKFLOWS
from tests.cluster.api_server import RealApiServer
from tests.cluster.fixtures import WORKFLOW_CRD
from tests.cluster.processes import Processes, free_port, wait_for
from tests.docs.markdown import DOCS, ROOT, sections
from tests.docs.shell import Shell, examples, on_a_cluster
from tests.manifests.building import build, forget_builds, function
from tests.manifests.conftest import apply, cluster_with
from tests.manifests.names import dangling
from tests.programs import needs
from tests.recorded_workflows import NAMESPACE, waiting_workflow

INSTALL = (DOCS / "install.md").read_text()
WORKFLOW = f"{WORKFLOWS.format(NAMESPACE)}/play-task-3-workflow"
TASKGATE = "/api/v1/namespaces/taskgate"
SECRETS, CONFIG_MAPS = f"{TASKGATE}/secrets", f"{TASKGATE}/configmaps"
RULES = f"{CONFIG_MAPS}?labelSelector=app.kubernetes.io%2Fcomponent%3Dfunction"
SERVICES = "/apis/serving.knative.dev/v1/namespaces/taskgate/services"
FAILED = "FAILED: "

pytestmark = needs("jq", "openssl", "curl")


class Reader:
    """A reader who runs the commands of the documents in a checkout."""

    def __init__(self, api: RealApiServer, shell: Shell, checkout: Path) -> None:
        self.api = api
        self.checkout = checkout
        self._shell = shell
        self._shell.run(f"""trap 'echo "{FAILED}$BASH_COMMAND"' ERR""")

    def follow(self, text: str, *, instead: dict[str, str] | None = None) -> str:
        """Run the commands of a part of a document, and return what they print."""
        said = []
        for command, shown in examples(text):
            for written, here in (instead or {}).items():
                command = command.replace(written, here)
            answer = self._shell.run(command)
            assert FAILED not in answer, answer
            assert shown in ("", answer), command
            said.append(answer)
        return "\n".join(said)

    def run(self, command: str) -> str:
        return self._shell.run(command)


@pytest.fixture(scope="module")
def cluster(tools: Path, processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealApiServer]:
    with cluster_with(WORKFLOW_CRD, tools, processes, tmp_path_factory.mktemp("cluster")) as server:
        server.create_namespace("shop")
        yield server


@pytest.fixture
def started(cluster: RealApiServer, tools: Path, tmp_path: Path) -> Iterator[Reader]:
    """Return a reader in a cluster with one Workflow and without Taskgate."""
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    for name in ("docs", "knative"):
        shutil.copytree(ROOT / name, checkout / name)
    home.mkdir()
    workflow = waiting_workflow(3)
    del workflow["metadata"]["resourceVersion"]
    cluster.admin.must("POST", WORKFLOWS.format(NAMESPACE), workflow)
    with Shell(checkout, on_a_cluster(cluster.kubeconfig, tools, home)) as shell:
        yield Reader(cluster, shell, checkout)
    cluster.admin.must("DELETE", WORKFLOW)
    for path in (SECRETS, CONFIG_MAPS, SERVICES):
        cluster.admin.must("DELETE", path)
    deleted = cluster.admin.request("DELETE", TASKGATE)
    if deleted.status == 200:
        cluster.admin.must("PUT", f"{TASKGATE}/finalize", {**deleted.body, "spec": {"finalizers": []}})


def _without_failure(answer: str) -> str | None:
    return None if FAILED in answer else answer


def part(text: str, title: str) -> str:
    (found,) = [section.text for section in sections(text) if section.title == title]
    return found


def secret(api: RealApiServer, name: str) -> dict[str, str]:
    data = api.admin.must("GET", f"{SECRETS}/{name}")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def has_the_secrets(api: RealApiServer) -> None:
    token = secret(api, "taskgate-token")
    assert re.fullmatch(r"[0-9a-f]{64}", token["token"])  # without a newline, which would break the header
    assert token["authorization"] == f"Bearer {token['token']}"
    assert re.fullmatch(r"[0-9a-f]{64}", secret(api, "taskgate-github-webhook")["secret"])


def test_the_block_of_the_readme_installs_it(started: Reader) -> None:
    started.follow(part((ROOT / "README.md").read_text(), "Install it"))
    has_the_secrets(started.api)
    assert started.api.admin.request("GET", f"{SERVICES}/taskgate").status == 200


def test_the_first_gate_installs_as_it_stands(started: Reader) -> None:
    assert FAILED not in started.run("kubectl apply -k docs/first-gate")
    (rules,) = started.api.admin.must("GET", RULES)["items"]
    assert rules["data"]["gates.yaml"] == (DOCS / "first-gate/gates.yaml").read_text()


def test_install_upgrade_and_uninstall(started: Reader) -> None:
    api = started.api
    steps, check = part(INSTALL, "Install").split("\n7. ")
    assert "clusters/ours/gates.yaml is valid." in started.follow(steps)
    has_the_secrets(api)
    ((command, _),) = examples(check)
    answer = wait_for("the policy to be in force", lambda: _without_failure(started.run(command)))
    assert "play-task-3-workflow" in answer
    assert "taskgate-changes-gates-only" in answer.splitlines()[-1]

    before = secret(api, "taskgate-token")["token"]
    started.follow(part(INSTALL, "Change the token"))
    has_the_secrets(api)
    assert secret(api, "taskgate-token")["token"] != before

    rules = started.checkout / "clusters/ours/gates.yaml"
    rules.write_text(rules.read_text() + "# changed\n")
    started.follow(part(INSTALL, "Upgrade"))
    texts = [each["data"]["gates.yaml"] for each in api.admin.must("GET", RULES)["items"]]
    assert sorted(text.endswith("# changed\n") for text in texts) == [False, True]  # older revisions can start

    left = {"annotations": {"taskgate.dev/state": "{}", "other": "x"}, "labels": {"taskgate.dev/parked": "true"}}
    api.admin.must("PATCH", WORKFLOW, {"metadata": left}, content_type=MERGE_PATCH)
    started.follow(part(INSTALL, "Uninstall"))
    metadata = api.admin.must("GET", WORKFLOW)["metadata"]
    assert [name for name in (*metadata["annotations"], *metadata["labels"]) if "taskgate" in name] == []
    assert metadata["annotations"]["other"] == "x"
    assert "deletionTimestamp" in api.admin.must("GET", TASKGATE)["metadata"]


def test_a_second_team_shares_the_first_installation(started: Reader) -> None:
    """Each overlay of the page: it names nothing that is missing, and its removal leaves the first installation."""
    gates = (ROOT / "knative/overlays/example/gates.yaml").read_text().replace("factory", "shop")
    shared = {
        "second-team.yaml": ("overlays/argo-events", {"EventBus taskgate/taskgate", "EventSource taskgate/github"}),
        "second-team-broker.yaml": ("overlays/broker", {"Broker taskgate/taskgate"}),
    }
    page = part(INSTALL, "Several namespaces or teams")
    ((copy, _),) = examples(page)
    shop = started.checkout / "clusters/shop"
    for overlay, (first, theirs) in shared.items():
        assert f"(overlays/{overlay})" in page
        assert FAILED not in started.run(copy.replace("second-team.yaml", overlay))
        (shop / "gates.yaml").write_text(gates)
        forget_builds()  # the other overlay was in the same folder
        manifests = build(shop)
        assert set(dangling(manifests)) == theirs
        assert function(manifests)["metadata"]["name"] == "shop-taskgate"
        apply(started.api, build(first))
        apply(started.api, manifests)
        assert FAILED not in started.run(f"kubectl delete -k {shop.relative_to(started.checkout)}")
        names = [f"{m['kind']} {m['metadata']['name']}" for m in build(first)]
        applied = started.api.kubectl("get", "--output=name", "--filename=-", objects=build(first))
        assert applied.returncode == 0, applied.stderr
        assert len(applied.stdout.splitlines()) == len(names)


def test_exported_workflows_are_loaded_elsewhere(started: Reader) -> None:
    port = free_port()
    text = part((DOCS / "testing.md").read_text(), "Your own gates.yaml, your own events")
    export, explain = [command for command, shown in examples(text) if not shown]
    ready = "until [ -s exported.kubeconfig ]; do sleep 0.1; done"
    started.run(f"{export.replace('8090', str(port))}\n{ready}")
    answer = started.run(explain)
    assert "yes  workflow      agent-platform/play-task-3-workflow" in answer, answer


def test_the_board_of_the_fleet(started: Reader) -> None:
    started.run("export FUNCTION_LOG=/dev/null")
    commands = examples(part((DOCS / "how-to.md").read_text(), "Watch the fleet"))
    assert len(commands) == 2
    for command, _ in commands:
        port = free_port()
        board = command.replace("taskgate board", f"taskgate board --port {port}")
        started.run(f"{{ {board}; }} > board.log 2>&1 &")
        page = started.run(f"curl -s --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:{port}/")
        assert "<title>" in page, started.run("cat board.log")


def test_lost_events_are_sent_again(started: Reader) -> None:
    api = started.api
    api.create_namespace("taskgate")
    approval = cloudevent(payloads.approved(task=3, happened=datetime.now(UTC)), delivery="delivery-1")
    api.admin.must("POST", CONFIG_MAPS, dead_letter(approval))
    for name in ("letter-1", "letter-2"):  # as a JobSink stores them
        labels = {"sinks.knative.dev/job-sink-name": "taskgate-dead-letters"}
        job_sink = {"metadata": {"name": name, "labels": labels}, "stringData": {"event": json.dumps(approval)}}
        api.admin.must("POST", SECRETS, job_sink)
    shutil.copy(ROOT / "func/gates.yaml", started.checkout)
    port = free_port()
    text = part((DOCS / "how-to.md").read_text(), "Send lost events again")
    ready = f"curl -s --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:{port}/healthz"
    here = {
        "--port 8080": f"--port {port}",
        "gates.yaml &": f"gates.yaml 2> serve.log & {ready}",
        "replay -": f"replay - --to http://127.0.0.1:{port}",
    }
    said = started.follow(text, instead=here)
    assert "1 of 1 delivered: 1 opened." in said
    assert "2 of 2 delivered: 2 duplicate." in said
