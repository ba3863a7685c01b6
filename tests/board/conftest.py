"""A board that watches the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from func.board.server import BoardServer
from func.board.view import Names
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from func.devcluster import EmbeddedCluster
from func.kube.connection import connect
from func.kube.workflows import Workflows
from func.service.settings import BUILT_IN_RULES
from tests.board.listening import Page


@pytest.fixture
def cluster(own_cluster: EmbeddedCluster) -> EmbeddedCluster:
    """Each test gets a cluster of its own, because some of them stop it."""
    return own_cluster


@pytest.fixture
def rules() -> Rules:
    """Those built in."""
    return parse_rules(BUILT_IN_RULES.read_text(encoding="utf-8"), "gates.yaml")


@pytest.fixture
def kubeconfig(cluster: EmbeddedCluster, tmp_path: Path) -> Path:
    """Of that cluster."""
    return cluster.write_kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
def workflows(kubeconfig: Path) -> Workflows:
    """The Workflows of that cluster."""
    return Workflows(connect(kubeconfig, 2), "agent-platform")


@contextmanager
def serving(workflows: Workflows, rules: Rules, port: int = 0) -> Iterator[BoardServer]:
    """A board, with a quick second try after a failure."""
    with BoardServer(workflows, rules, Names(), port, pause=lambda _: 0.05) as server:
        yield server


@pytest.fixture
def board(workflows: Workflows, rules: Rules) -> Iterator[BoardServer]:
    """A board of that cluster as it is when the test asks for this."""
    with serving(workflows, rules) as server:
        yield server


@pytest.fixture
def page(board: BoardServer) -> Iterator[Page]:
    """A page that listens to that board."""
    with Page(board.url) as opened:
        yield opened
