"""One embedded cluster for all tests of faults; each takes tasks of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from func.devcluster import EmbeddedCluster


@pytest.fixture(scope="session")
def fault_cluster() -> Iterator[EmbeddedCluster]:
    """Without a controller: what is not written to stays as it is."""
    with EmbeddedCluster(controller=False) as cluster:
        yield cluster
