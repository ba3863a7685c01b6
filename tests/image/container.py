"""The function in its image, run as the pod of the manifests runs it."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.api_server import RealApiServer
from tests.cluster.argo_events import Object
from tests.cluster.function_client import FunctionClient, Reply
from tests.cluster.pod import settings
from tests.cluster.processes import Processes, wait_for
from tests.cluster.volumes import fill_volumes
from tests.image.network import PodNetwork
from tests.image.podman import Podman, isolation
from tests.manifests import building
from tests.payloads import Request

PORT = 8080


class Container:
    """One container of the Knative Service, without Knative: it runs from `start` to `terminate` or `close`.

    Args:
        folder: a new one, for its files.
        manifests: the Service, and the ConfigMaps that it names; Secrets are read from the API server.
        options: further options of `podman run`.
        read_only: false for a root file system that can be written to.
    """

    def __init__(
        self,
        processes: Processes,
        podman: Podman,
        folder: Path,
        network: PodNetwork,
        api: RealApiServer,
        manifests: list[Object],
        options: Sequence[str] = (),
        *,
        read_only: bool = True,
    ) -> None:
        self._podman = podman
        self._client = FunctionClient(f"http://{network.pod}:{PORT}/")
        self.name = folder.name
        spec = building.function(manifests)["spec"]["template"]["spec"]
        (manifest,) = spec["containers"]
        environment = {
            **settings(spec),
            "PORT": str(PORT),
            "KUBERNETES_SERVICE_HOST": api.address,
            "KUBERNETES_SERVICE_PORT": str(api.port),
        }
        volumes = fill_volumes(folder, spec, api, manifests)
        self._mounted = list(volumes)
        self.process = processes.add(
            "container",
            network.enter
            + podman.command(
                "run",
                f"--name={self.name}",
                "--network=host",  # the one that `enter` entered
                *isolation(manifest, read_only=read_only),
                *(f"--env={name}={value}" for name, value in environment.items()),
                *(f"--volume={files}:{path}:ro" for path, files in volumes.items()),
                *options,
                podman.image,
            ),
            podman.environment,
        )

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.process.start()
        wait_for("the function to be ready", self._client.ready, self.process)

    def post(self, event: Request, token: str | None) -> Reply:
        """Posts a CloudEvent, with a token for the Authorization header or none."""
        return self._client.post(event, token)

    def get(self, path: str) -> str:
        """The answer to a GET request."""
        return self._client.get(path)

    @property
    def pid(self) -> int:
        """The process id, on the machine, of the container's first process."""
        pid = self.process.pid
        for name in ("sh", "conmon", ""):  # the container has any name
            (pid,) = (child for child in _children(pid) if not name or _name(child) == name)
        return pid

    def status(self, field: str) -> list[str]:
        """What the kernel says of the container's first process: a field of proc_pid_status(5)."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"^{field}:\t(.*)$", text, re.MULTILINE)
        assert found, field
        return found[1].split()

    def memory(self) -> float:
        """The most memory that its first process has had, in MiB."""
        return int(self.status("VmHWM")[0]) / 1024

    def terminate(self) -> None:
        """Asks it to end, as the kubelet does with a pod that has to go."""
        os.kill(self.pid, signal.SIGTERM)

    def listening(self) -> bool:
        """Whether it still takes connections."""
        return self._client.ready() is not None

    def written(self) -> list[str]:
        """The files that it wrote, once it ended; podman itself made the folders that volumes are mounted on."""
        made = [path.replace("/var/run", "/run") for path in self._mounted]
        return [
            file
            for file in self._podman.added(self.name)
            if not any(path == file or path.startswith(f"{file}/") for path in made)
        ]

    def compiled(self) -> list[str]:
        """The source files that Python compiled; it must have been started with PYTHONVERBOSE=1."""
        loaded = re.findall(r"^# code object from '?(/[^'\n]+?)'?$", self.process.log.read_text(), re.MULTILINE)
        assert loaded, "Python does not say what it loads"
        return sorted(file for file in loaded if not file.endswith(".pyc"))

    def close(self) -> None:
        """Ends it."""
        if self.process.running():
            self.terminate()
            self.process.wait()
        self._client.close()


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
