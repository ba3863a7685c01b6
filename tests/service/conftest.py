"""One embedded cluster for all tests of the function, empty at the start of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from func.devcluster import NAMESPACES, EmbeddedCluster
from tests.fleet import NAMESPACE
from tests.service.site import Site, make_function


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[EmbeddedCluster]:
    """Without a controller: what is not written to stays as it is."""
    with EmbeddedCluster(controller=False) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster: EmbeddedCluster) -> Iterator[EmbeddedCluster]:
    """A cluster that knows no Workflow, and nobody's token."""
    running_cluster.requests.clear()
    running_cluster.store.ensure_namespace(NAMESPACE)
    yield running_cluster
    running_cluster.tokens.clear()
    for stored in running_cluster.store.select(NAMESPACES).items:
        running_cluster.store.delete(NAMESPACES, "", stored.name)


@pytest.fixture
def make_site(cluster: EmbeddedCluster, tmp_path: Path) -> Callable[..., Site]:
    """The function with rules and settings of the test's own, see `make_function`."""

    def make(rules: str | None = None, **environment: str) -> Site:
        return Site(cluster, make_function(cluster, tmp_path, rules, **environment))

    return make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """The function with the rules built in."""
    return make_site()
