"""Argo Server, for Workflows whose nodes are offloaded to a database: only it can read and open those.

Source: https://argo-workflows.readthedocs.io/en/latest/offloading-large-workflows/ and the Workflow service of its API
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from func.core.patches import Move
from func.core.workflows import Workflow
from func.kube.client import Budget, Forbidden, LostRace, Unavailable, cause_of, kind_of, read_within, sentence

if TYPE_CHECKING:
    from urllib3 import PoolManager

_WORKFLOW = "/api/v1/workflows/{namespace}/{name}"
_NOT_WAITING = "no suspend nodes matching"


@dataclass(slots=True)
class ArgoServer:
    """The Workflow service of one Argo Server.

    Args:
        url: without a slash at the end.
        pool: sends the requests.
        token_file: read for each call, since tokens rotate; None to send none.
        call_timeout: seconds.
    """

    url: str
    pool: PoolManager
    token_file: Path | None = None
    call_timeout: float = 2.0

    def hydrate(self, workflow: Workflow, budget: Budget) -> Workflow:
        """The Workflow with its nodes.

        Raises: Forbidden, Unavailable; LostRace when it is not the same Workflow any more.
        """
        answer = self._call("GET", workflow, "?fields=metadata.uid,status.nodes", None, budget)
        metadata, status = answer.get("metadata"), answer.get("status")
        if not isinstance(metadata, dict) or metadata.get("uid") != workflow.ref.uid:
            raise LostRace(f"Argo Server knows another Workflow {workflow.ref.name}.")
        nodes = status.get("nodes") if isinstance(status, dict) else None
        if not isinstance(nodes, dict):
            raise Unavailable(f"Argo Server gives no nodes of Workflow {workflow.ref.name}.")
        return workflow._replace(nodes=nodes)

    def move(self, workflow: Workflow, move: Move, budget: Budget) -> None:
        """Open exactly the claimed node, or let it fail.

        Raises: LostRace when it waits no longer; Forbidden, Unavailable.
        """
        request = {
            "name": workflow.ref.name,
            "namespace": workflow.ref.namespace,
            "nodeFieldSelector": f"id={move.node.id}",
            "phase": move.phase,
            "message": move.message,
            "outputParameters": json.dumps(_all_values(move)),
        }
        self._call("PUT", workflow, "/set", request, budget)

    def _call(
        self, method: str, workflow: Workflow, rest: str, body: dict[str, str] | None, budget: Budget
    ) -> dict[str, Any]:
        import urllib3

        timeout = budget.take(self.call_timeout)
        deadline = time.monotonic() + timeout
        # Namespace and name were given by the Kubernetes API, so they need no escaping.
        path = _WORKFLOW.format(namespace=workflow.ref.namespace, name=workflow.ref.name)
        url = f"{self.url}{path}{rest}"
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token_file:
            headers["Authorization"] = f"Bearer {self._token()}"
        started, result = time.perf_counter(), "no-answer"
        try:
            response = self.pool.request(
                method,
                url,
                body=json.dumps(body) if body else None,
                headers=headers,
                timeout=urllib3.Timeout(total=timeout),
                retries=False,
                preload_content=False,
            )
            content = read_within(deadline, response)
            result = str(response.status)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            result = kind_of(error)
            raise Unavailable(f"Argo Server does not answer: {cause_of(error)}.") from None
        finally:
            budget.note("argo", method, f"{_WORKFLOW}{rest.partition('?')[0]}", started, result)
        return _checked(response.status, content)

    def _token(self) -> str:
        try:
            return self.token_file.read_text(encoding="utf-8").strip() if self.token_file else ""
        except OSError as error:
            raise Forbidden(f"ARGO_SERVER_TOKEN_FILE can't be read: {os.strerror(error.errno or 0)}.") from None


def _all_values(move: Move) -> dict[str, str]:
    """Argo Server's `set` fills in no defaults, so they are sent too."""
    if move.phase == "Failed":
        return dict(move.values)
    defaults = {output.name: output.default for output in move.node.supplied}
    return {name: str(value) for name, value in (defaults | dict(move.values)).items() if value is not None}


def _checked(status: int, content: bytes) -> dict[str, Any]:
    """Each status that is no success -> its exception."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    words = sentence(str(answer.get("message"))[:500] if isinstance(answer, dict) else "it sent no JSON")
    if status in (401, 403):
        raise Forbidden(f"Argo Server refuses it: {words}")
    if not isinstance(answer, dict):
        raise Unavailable(f"There is no Argo Server at the URL of ARGO_SERVER, status {status}: {words}")
    if status == 404:  # the Kubernetes API knows the Workflow, or knew it a moment ago
        raise Unavailable(f"The Argo Server at the URL of ARGO_SERVER does not know the Workflow: {words}")
    if status == 500 and _NOT_WAITING in words:
        raise LostRace(words)
    if status >= 300:
        raise Unavailable(f"Argo Server says {status}: {words}")
    return answer


def connect(url: str, token_file: Path | None) -> ArgoServer:
    """A client for Argo Server."""
    import urllib3

    return ArgoServer(url, urllib3.PoolManager(maxsize=8), token_file)
