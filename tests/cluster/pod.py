"""The function's pod: `python -m func serve` with the settings, files and rights that the manifests give it."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import urllib3

import func
from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.processes import Processes, free_port, wait_for
from tests.cluster.sandboxed import Sandboxed
from tests.manifests.building import function
from tests.payloads import Request

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_COMMAND = ("-m", "func", "serve")  # the image's, but for the address
Reply = tuple[int, dict[str, Any]]  # status, body


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
        self._api = api
        self.port = free_port()
        self._spec = function(manifests)["spec"]["template"]["spec"]
        (container,) = self._spec["containers"]
        settings = {variable["name"]: variable["value"] for variable in container["env"]}
        environment = {
            **settings,
            "PORT": str(self.port),
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(api.port),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        self._sandbox = Sandboxed(processes, "function", folder / "sandbox", [sys.executable, *_COMMAND], environment)
        self.process = self._sandbox.process
        self._show = {path: Path(path) for path in _python()}
        self._folders = {volume["name"]: folder / volume["name"] for volume in self._spec["volumes"]}
        for volume in self._spec["volumes"]:
            self._fill(volume, manifests)
        for mount in container["volumeMounts"]:
            self._show[mount["mountPath"]] = self._folders[mount["name"]]
        self._http = urllib3.PoolManager(retries=False, timeout=15)

    @property
    def url(self) -> str:
        """Where it takes events."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def account(self) -> Path:
        """The files of the ServiceAccount. A volume of the manifest provides them, as no pod gets them by default."""
        return self._show[SERVICE_ACCOUNT]

    @property
    def rules(self) -> Path:
        """gates.yaml, which is read at start."""
        folder: Path = self._folders["gates"]
        return folder / "gates.yaml"

    def start(self) -> None:
        """Starts it, or starts it again, and waits until it is ready."""
        self._sandbox.start(show=self._show, inward={}, outward=[])  # the machine's network
        wait_for("the function to be ready", self._ready, self.process)

    def kill(self) -> None:
        """Takes it away at once."""
        self.process.kill()

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self._http.clear()

    def post(self, event: Request, token: str | None) -> Reply:
        """Posts a CloudEvent, with a token for the Authorization header or none."""
        headers, body = event
        if token is not None:
            headers = headers | {"Authorization": f"Bearer {token}"}
        answer = self._http.request("POST", self.url, body=body, headers=headers)
        return answer.status, json.loads(answer.data)

    def answers(self) -> list[dict[str, Any]]:
        """What it has logged of each event, since it was first started: the attributes, and `timestamp`."""
        lines = (line for line in self.process.log.read_text().splitlines() if line.startswith("{"))
        told = ({"timestamp": line["timestamp"], **line["attributes"]} for line in map(json.loads, lines))
        return [answer for answer in told if "taskgate.outcome" in answer]

    def _ready(self) -> bool | None:
        try:
            return self._http.request("GET", f"{self.url}readyz", timeout=1).status == 200 or None
        except urllib3.exceptions.HTTPError:
            return None

    def _fill(self, volume: Object, manifests: list[Object]) -> None:
        """What the kubelet does with a volume."""
        folder = self._folders[volume["name"]]
        folder.mkdir(parents=True)
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            (source,) = (one for one in manifests if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name)
            for key, text in source["data"].items():
                (folder / key).write_text(text)
        elif "projected" in volume:
            for source in volume["projected"]["sources"]:
                self._project(source, folder)
        else:
            name = volume["secret"]["secretName"]
            data = self._api.admin.must("GET", f"/api/v1/namespaces/taskgate/secrets/{name}")["data"]
            for item in volume["secret"]["items"]:
                (folder / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))

    def _project(self, source: Object, folder: Path) -> None:
        if "serviceAccountToken" in source:
            token = self._api.token_for(self._spec["serviceAccountName"], "taskgate")
            (folder / source["serviceAccountToken"]["path"]).write_text(token)
        elif "configMap" in source:  # kube-root-ca.crt, which only kube-controller-manager creates
            (item,) = source["configMap"]["items"]
            (folder / item["path"]).write_bytes(self._api.ca_file.read_bytes())
        else:
            (item,) = source["downwardAPI"]["items"]
            (folder / item["path"]).write_text("taskgate")


def _python() -> list[str]:
    """Where this Python is, with what is installed in it and the function; no folder within another."""
    wanted = ["/usr", "/lib", "/lib64", "/bin", sys.base_prefix, sys.prefix, str(Path(func.__file__).parent)]
    there = sorted({path for path in wanted if Path(path).exists()}, key=len)
    outermost: list[str] = []
    for path in there:
        if not any(path.startswith(f"{other}/") for other in outermost):
            outermost.append(path)
    return outermost
