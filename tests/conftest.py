"""Fixtures that more than one folder of tests uses."""

from collections.abc import Iterator

import pytest

from func.devcluster import EmbeddedCluster

pytest_plugins = ["tests.cluster.fixtures"]


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    """A cluster without Workflows, in which they stay as they are."""
    with EmbeddedCluster(controller=False) as running:
        running.store.ensure_namespace("agent-platform")
        yield running
