"""Fixtures that more than one folder of tests uses, and the markers that each folder gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from func.devcluster import NAMESPACES, EmbeddedCluster
from tests.recorded_workflows import NAMESPACE
from tests.service.site import Site, make_function

pytest_plugins = ["tests.cluster.fixtures", "tests.reached_codes"]

_ROOT = Path(__file__).parent
# Folder or file -> its marker. Whatever is not listed is `unit`: no process but its own and no real component.
_MARKERS = {
    "bench": "process",
    "board": "process",
    "board/test_browser.py": "browser",
    "cli/test_cluster.py": "process",
    "cli/test_demo.py": "process",
    "cli/test_help.py": "process",
    "cli/test_output.py": "process",
    "cli/test_releases.py": "process",
    "cli/test_replay.py": "process",
    "cli/test_terminal.py": "process",
    "cluster": "cluster",
    "devcluster/test_cluster.py": "process",
    "docs": "process",
    "experiments": "cluster",
    "faults": "process",
    "image": "image",
    "image/test_dockerfile.py": "unit",
    "manifests": "process",
    "kube/test_credentials.py": "process",
    "model": "slow",
    "node": "node",
    "properties": "slow",
    "service/test_process.py": "process",
    "soak": "slow",
    "telemetry/test_otlp.py": "process",
    "test_package.py": "process",
}


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the longest entry of `_MARKERS` that its path starts with, and by the servers that it uses."""
    for item in items:
        path = item.path.relative_to(_ROOT)
        places = [str(path), *(str(folder) for folder in path.parents)]
        marker = next((_MARKERS[place] for place in places if place in _MARKERS), "unit")
        if marker not in {"image", "node"} and _uses_real_component(item):
            marker = "cluster"
        item.add_marker(marker)


def _uses_real_component(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    real = callspec is not None and "real" in callspec.params.values()
    return real or not {"tools", "real_api_server"}.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[EmbeddedCluster]:
    """One embedded cluster without a controller: Workflows do not change unless somebody writes to them."""
    with EmbeddedCluster(controller=False) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: EmbeddedCluster) -> Iterator[EmbeddedCluster]:
    """A cluster without Workflows and without tokens."""
    running_cluster.requests.clear()
    running_cluster.store.ensure_namespace(NAMESPACE)
    yield running_cluster
    running_cluster.tokens.clear()
    for stored in running_cluster.store.select(NAMESPACES).items:
        running_cluster.store.delete(NAMESPACES, "", stored.name)


@pytest.fixture
def own_cluster() -> Iterator[EmbeddedCluster]:
    """A cluster for one test, which may stop it."""
    with EmbeddedCluster(controller=False) as cluster:
        cluster.store.ensure_namespace(NAMESPACE)
        yield cluster


@pytest.fixture
def make_site(cluster: EmbeddedCluster, tmp_path: Path) -> Callable[..., Site]:
    """Return a function that starts the service with rules and settings of the test's own, see `make_function`."""

    def make(rules: str | None = None, **environment: str) -> Site:
        return Site(cluster, make_function(cluster, tmp_path, rules, **environment))

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """The function with the rules built in."""
    return make_site()
