"""The function's pod: `python -m func serve` with the settings, files and rights that the manifests give it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import func
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.function_client import FunctionClient, Reply
from tests.cluster.processes import Process, Processes, free_port, wait_for
from tests.cluster.sandboxed import Sandboxed
from tests.cluster.volumes import fill_volumes
from tests.manifests.building import function
from tests.payloads import Request

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_COMMAND = ("-m", "func", "serve")  # the image's, but for the address


class Pod:
    """One pod of the Knative Service or the Deployment: it runs from `start` to `kill`.

    Args:
        folder: a new one, for its files.
        manifests: the Service or Deployment, and the ConfigMaps that it names; Secrets are read from the API server.
    """

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        api: RealApiServer,
        manifests: list[Object],
    ) -> None:
        self.port = free_port()
        self._client = FunctionClient(f"http://127.0.0.1:{self.port}/")
        spec = function(manifests)["spec"]["template"]["spec"]
        environment = {
            **settings(spec),
            "PORT": str(self.port),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api.port),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._sandbox = Sandboxed(processes, "function", folder / "sandbox", [sys.executable, *_COMMAND], environment)
        self.process = self._sandbox.process
        mounts = fill_volumes(folder, spec, api, manifests)
        # A volume of the manifest provides the files of the ServiceAccount, as no pod gets them by default.
        self.account = mounts[SERVICE_ACCOUNT]
        self.rules = mounts["/etc/taskgate"] / "gates.yaml"  # read at start
        self._show = {path: Path(path) for path in _python()} | mounts

    @property
    def url(self) -> str:
        """Where it takes events."""
        return self._client.url

    def start(self) -> None:
        """Starts it, or starts it again, and waits until it is ready."""
        self._sandbox.start(show=self._show, inward={}, outward=[])  # the machine's network
        wait_for("the function to be ready", self._client.ready, self.process)

    def kill(self) -> None:
        """Takes it away at once."""
        self.process.kill()

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self._client.close()

    def post(self, event: Request, token: str | None) -> Reply:
        """Posts a CloudEvent, with a token for the Authorization header or none."""
        return self._client.post(event, token)

    def answers(self) -> list[dict[str, Any]]:
        """What it has logged of each event, since it was first started: the attributes, and `timestamp`."""
        return answers(self.process)


def settings(spec: Object) -> dict[str, str]:
    """The environment variables that a pod's only container has by its manifest."""
    (container,) = spec["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


def answers(function: Process) -> list[dict[str, Any]]:
    """What the function has logged of each event: the attributes, and `timestamp`."""
    lines = (line for line in function.log.read_text().splitlines() if line.startswith("{"))
    told = ({"timestamp": line["timestamp"], **line["attributes"]} for line in map(json.loads, lines))
    return [answer for answer in told if "taskgate.outcome" in answer]


def _python() -> list[str]:
    """Where this Python is, with what is installed in it and the function; no folder within another."""
    wanted = ["/usr", "/lib", "/lib64", "/bin", sys.base_prefix, sys.prefix, str(Path(func.__file__).parent)]
    there = sorted({path for path in wanted if Path(path).exists()}, key=len)
    outermost: list[str] = []
    for path in there:
        if not any(path.startswith(f"{other}/") for other in outermost):
            outermost.append(path)
    return outermost
