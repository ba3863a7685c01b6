"""The stand-in workflow controller: it writes what a turn returns, as Argo's controller does."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from func.devcluster import workflows
from func.devcluster.errors import ApiError
from func.devcluster.follower import Change
from func.devcluster.resources import WORKFLOWS
from func.devcluster.store import Key, Store

_log = logging.getLogger(__name__)


class Controller:
    """Advances Workflows when they change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reported: set[tuple[str, str]] = set()

    def on_change(self, change: Change) -> None:
        """Advance the Workflow that changed."""
        metadata = change.object["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        try:
            self._advance(key)
        except Exception:
            # One malformed Workflow must not stop all others.
            _log.exception("cannot advance the Workflow %s/%s", *key)

    def _advance(self, key: Key) -> None:
        try:
            stored = self._store.get(WORKFLOWS, *key)
            workflow = workflows.advance(stored.document, datetime.now(UTC))
            if workflow is not None:
                self._store.replace(WORKFLOWS, *key, workflow)
        except workflows.UnsupportedError as problem:
            if (stored.uid, str(problem)) not in self._reported:
                self._reported.add((stored.uid, str(problem)))
                _log.warning("the Workflow %s/%s stays as it is: %s", *key, problem)
        except ApiError as error:
            # 404: it was deleted. 409: a client wrote in between, and that change comes next.
            if error.code not in (404, 409):
                _log.warning("cannot write the Workflow %s/%s: %s", *key, error.message)
