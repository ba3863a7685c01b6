"""The two API servers that must behave alike."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from func.devcluster import EmbeddedCluster
from tests.contract.api import Api


@pytest.fixture(scope="session")
def embedded_kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One embedded API for all tests that keep to a namespace of their own; nothing moves Workflows on."""
    with EmbeddedCluster(controller=False) as cluster:
        yield cluster.write_kubeconfig(tmp_path_factory.mktemp("embedded") / "kubeconfig")


@pytest.fixture(scope="session", params=["embedded", "real"])
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """A kubeconfig with all rights: of the embedded API, then of the real API server (if it has been built)."""
    if request.param == "embedded":
        return Path(request.getfixturevalue("embedded_kubeconfig"))
    return Path(request.getfixturevalue("real_api_server").kubeconfig)


@pytest.fixture(scope="session")
def server(kubeconfig: Path) -> Iterator[Api]:
    """Connections to the API server, kept for all tests."""
    api = Api.of(kubeconfig)
    yield api
    api.close()


@pytest.fixture
def kubernetes_api(server: Api) -> Api:
    """The API server seen from a fresh namespace."""
    name = f"contract-{uuid.uuid4().hex[:10]}"
    server.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return server.within(name)
