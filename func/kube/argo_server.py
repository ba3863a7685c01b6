"""Argo Server, which alone can read and move nodes that are offloaded to a database.

Source: https://argo-workflows.readthedocs.io/en/latest/offloading-large-workflows/ and the Workflow service of its API
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from func.core.patches import Move
from func.core.workflows import Workflow
from func.kube.client import sentence
from func.kube.credentials import Credential, Fixed, TokenFile
from func.kube.deadline import Deadline
from func.kube.errors import Forbidden, LostRace, NoAnswer, Unauthenticated, Unavailable, cause_of, is_timeout

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
        credential: for each request.
        call_timeout: seconds.
    """

    url: str
    pool: PoolManager
    credential: Credential = field(default=Fixed(""))
    call_timeout: float = 2.0

    def hydrate(self, workflow: Workflow, deadline: Deadline) -> Workflow:
        """Return the Workflow with its nodes.

        Raises:
            LostRace: when another Workflow has its name by now.
            Forbidden: when Argo Server refuses.
            Unavailable: when it does not answer.
        """
        answer = self._call("GET", workflow, "?fields=metadata.uid,status.nodes", None, deadline)
        metadata, status = answer.get("metadata"), answer.get("status")
        if not isinstance(metadata, dict) or metadata.get("uid") != workflow.ref.uid:
            raise LostRace(f"Argo Server has another Workflow {workflow.ref.name}.")
        nodes = status.get("nodes") if isinstance(status, dict) else None
        if not isinstance(nodes, dict):
            raise Unavailable(f"Argo Server returned no nodes of Workflow {workflow.ref.name}.")
        return workflow._replace(nodes=nodes)

    def move(self, workflow: Workflow, move: Move, deadline: Deadline) -> None:
        """Open exactly the claimed node, or let it fail.

        Raises:
            LostRace: when the node no longer waits.
            Forbidden: when Argo Server refuses.
            Unavailable: when it does not answer.
        """
        request = {
            "name": workflow.ref.name,
            "namespace": workflow.ref.namespace,
            "nodeFieldSelector": f"id={move.node.id}",
            "phase": move.phase,
            "message": move.message,
            "outputParameters": json.dumps(_all_values(move)),
        }
        self._call("PUT", workflow, "/set", request, deadline)

    def _call(
        self, method: str, workflow: Workflow, rest: str, body: dict[str, str] | None, deadline: Deadline
    ) -> dict[str, Any]:
        import urllib3

        from func.kube.sockets import AnsweredBy

        timeout = deadline.timeout(self.call_timeout)
        until = time.monotonic() + timeout
        # Namespace and name were given by the Kubernetes API, so they need no escaping.
        path = _WORKFLOW.format(namespace=workflow.ref.namespace, name=workflow.ref.name)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        started, result, size = time.perf_counter(), "no-answer", 0
        try:
            with AnsweredBy(until):
                response = self.pool.urlopen(
                    method,
                    f"{self.url}{path}{rest}",
                    body=json.dumps(body) if body else None,
                    headers={**headers, **self.credential.headers(timeout)},
                    timeout=urllib3.Timeout(total=timeout),
                    retries=False,
                    redirect=False,  # it would send our token elsewhere
                )
            result, size = str(response.status), len(response.data)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            result = "timeout" if is_timeout(error) else "no-answer"
            raise NoAnswer(f"Argo Server does not answer: {cause_of(error)} ({self.url}).") from None
        finally:
            deadline.log.note("argo", method, f"{_WORKFLOW}{rest.partition('?')[0]}", started, result, size)
        return self._checked(response.status, response.data)

    def _checked(self, status: int, content: bytes) -> dict[str, Any]:
        """Return the JSON object of a success, or raise the exception of the status."""
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        words = str(answer.get("message"))[:500] if isinstance(answer, dict) else "it did not send JSON"
        here = f"{words.rstrip('.')} ({self.url})."
        if status == 401:
            raise Unauthenticated(f"Argo Server refuses the request: {here}")
        if status == 403:
            raise Forbidden(f"Argo Server refuses the request: {here}")
        if not isinstance(answer, dict):
            raise Unavailable(f"There is no Argo Server at the URL of ARGO_SERVER, status {status}: {here}")
        if status == 404:  # the Kubernetes API has, or just had, this Workflow
            raise Unavailable(f"The Argo Server at the URL of ARGO_SERVER does not know the Workflow: {here}")
        if status == 500 and _NOT_WAITING in words:
            raise LostRace(sentence(words))
        if status >= 300:
            raise Unavailable(f"Argo Server answered with status {status}: {here}")
        return answer


def _all_values(move: Move) -> dict[str, str]:
    """Return given and default values: Argo Server's `set` does not fill in defaults."""
    if move.phase == "Failed":
        return dict(move.values)
    defaults = {output.name: output.default for output in move.node.supplied}
    return {name: str(value) for name, value in (defaults | dict(move.values)).items() if value is not None}


def connect(url: str, token_file: Path | None, ca_file: Path | None = None) -> ArgoServer:
    """Return a client for Argo Server.

    Args:
        url: of Argo Server.
        token_file: read again when it changes, because tokens rotate; None to send none.
        ca_file: its certificate authorities, as PEM; None for those of this machine.
    """
    import urllib3

    from func.kube.sockets import prepare

    tls = urllib3.util.ssl_.create_urllib3_context() if ca_file else None
    if tls:
        tls.load_verify_locations(ca_file)
    manager = urllib3.PoolManager(maxsize=8, ssl_context=tls, cert_reqs="CERT_REQUIRED")
    prepare(manager)
    credential = TokenFile(token_file, f"ARGO_SERVER_TOKEN_FILE {token_file}") if token_file else Fixed("")
    return ArgoServer(url, manager, credential)
