"""Plays Argo Events' `resource` EventSource: notifies the function of Workflows on which signals wait.

The real one is in knative/overlays/argo-events/waiting.yaml; its Sensor sends the event that is made here.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from func.cli.sending import NoReplyError, Sender
from func.core.values import format_time
from func.core.workflows import PARKED_LABEL
from func.devcluster import Change, EmbeddedCluster

_PAUSES = (1, 2, 4, 8, 16, 0)  # seconds, as the Sensor


class Releases:
    """Sends an event for each change of a Workflow on which a signal waits, while it is entered.

    Args:
        url: of the function.
        pauses: seconds after each try, one for each.
    """

    def __init__(self, cluster: EmbeddedCluster, url: str, pauses: Sequence[float] = _PAUSES) -> None:
        self._cluster = cluster
        self._pauses = pauses
        self._sender = Sender(url)
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._follower = self._cluster.follow(self._notify, label_selector=f"{PARKED_LABEL}=true", existing=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._follower.close()
        self._sender.close()

    def _notify(self, change: Change) -> None:
        if change.type == "DELETED":
            return  # no signal waits there any more
        event = release_event(change.object["metadata"], datetime.now(UTC))
        for pause in self._pauses:
            if self._stopped.is_set() or self._is_accepted(event):
                return
            self._stopped.wait(pause)

    def _is_accepted(self, event: dict[str, Any]) -> bool:
        try:
            return self._sender.send(event).is_final
        except NoReplyError:
            return False


def release_event(metadata: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return the CloudEvent for a change of a Workflow on which signals wait."""
    namespace, name = metadata["namespace"], metadata["name"]
    return {
        "specversion": "1.0",
        "id": f"{metadata['uid']}.{metadata['resourceVersion']}",
        "type": "io.argoproj.workflow.updated",
        "source": "/taskgate/waiting",
        "subject": f"{namespace}/{name}",
        "time": format_time(now),
        "datacontenttype": "application/json",
        "data": {"namespace": namespace, "name": name},
    }
