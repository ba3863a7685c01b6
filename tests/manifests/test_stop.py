"""The emergency stop: the command of the documents, run on every overlay against the real API server."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cluster.api_client import JSON_PATCH, ApiClient
from tests.cluster.api_server import RealApiServer
from tests.cluster.processes import wait_for
from tests.manifests.building import CONFIGURATIONS, KNATIVE, ROOT, Manifest, build, function
from tests.manifests.conftest import apply
from tests.manifests.names import objects
from tests.manifests.test_admission import STATE, change
from tests.manifests.test_names import MOVED, account, workflow_in

DOCUMENTS = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", KNATIVE / "README.md"]
SECTION = (ROOT / "docs/runbook.md").read_text().partition("\n## Stop all writing\n")[2].partition("\n## ")[0]
(COMMAND,) = re.findall(r"```sh\n(.*)\n```", SECTION)
INSTALLATIONS = [*CONFIGURATIONS, "another namespace and prefix"]


def stop(cluster: RealApiServer) -> str:
    """Runs the command as it is written, but for which kubectl and cluster."""
    kubectl, *arguments = shlex.split(COMMAND)
    assert kubectl == "kubectl"
    run: subprocess.CompletedProcess[str] = cluster.kubectl(*arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


def may(api: ApiClient, path: str, method: str) -> bool:
    body = [change(STATE, "{}")] if method == "PATCH" else None
    return api.request(method, path, body, content_type=JSON_PATCH).status == 200


@pytest.fixture
def manifests(installation: str, tmp_path: Path) -> list[Manifest]:
    return build(installation) if installation in CONFIGURATIONS else objects("overlays/argo-events", tmp_path, **MOVED)


@pytest.mark.parametrize("installation", INSTALLATIONS)
def test_it_takes_the_permission_away_and_the_own_overlay_gives_it_back(
    cluster: RealApiServer, manifests: list[Manifest], installation: str
) -> None:
    moved = installation in ("overlays/example", "another namespace and prefix")
    path = workflow_in(cluster, "factory" if moved else "agent-platform")
    apply(cluster, manifests)
    api = account(cluster, manifests)
    usual = {"GET": True, "PATCH": installation != "overlays/observe"}

    def answers(expected: dict[str, bool]) -> None:
        wait_for(f"{expected}", lambda: {m: may(api, path, m) for m in expected} == expected or None)

    answers(usual)
    stopped = stop(cluster).splitlines()
    answers({"GET": False, "PATCH": False})
    assert f'"{function(manifests)["metadata"]["name"]}" deleted' in " ".join(stopped)
    assert len(stopped) == 1  # who watches Workflows, and who writes dead letters, goes on
    apply(cluster, manifests)
    answers(usual)
    stop(cluster)


def test_one_command_stops_all_installations(cluster: RealApiServer, tmp_path: Path) -> None:
    installed = [build("overlays/deployment"), objects("overlays/argo-events", tmp_path, **MOVED)]
    paths = [workflow_in(cluster, namespace) for namespace in ("agent-platform", "factory")]
    for manifests in installed:
        apply(cluster, manifests)
    functions = [account(cluster, manifests) for manifests in installed]

    def all_may(*, expected: bool) -> bool | None:
        return all(may(api, path, "PATCH") is expected for api, path in zip(functions, paths, strict=True)) or None

    wait_for("the permissions", lambda: all_may(expected=True))
    assert len(stop(cluster).splitlines()) == 2
    wait_for("the stop", lambda: all_may(expected=False))


def test_the_documents_name_it_and_no_other() -> None:
    named = [document.name for document in DOCUMENTS if COMMAND in document.read_text()]
    assert named == ["migration.md", "runbook.md"]
    for document in DOCUMENTS:
        for line in document.read_text().splitlines():
            if re.search(r"stop all writing", line, re.IGNORECASE):
                assert COMMAND in line or "#stop-all-writing" in line or line.startswith("## "), (document.name, line)
