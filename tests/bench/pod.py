"""A pod's view of the machine: the service account's files where the kubelet puts them, and nothing else changed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TOKEN = "benchmarks"
AUTHORIZATION = f"Bearer {_TOKEN}"
"""The header of all events."""
# The namespaces live as long as this process does, and it as long as ours.
_HOLD = """
mount -t tmpfs tmpfs "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io
ln -s "$0" /var/run/secrets/kubernetes.io/serviceaccount
echo ready
exec sleep infinity
"""
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True)
class View:
    """How a program comes to see an API server.

    Args:
        settings: of the function, as knative/base/service.yaml has them; a kubeconfig where there can be no pod.
        holder: process whose namespaces are entered; None for the machine's own.
    """

    settings: dict[str, str]
    holder: int | None = None

    def enter(self, folder: Path) -> list[str]:
        """What comes before a command that is to see it.

        Args:
            folder: where it starts.
        """
        if self.holder is None:
            return []
        where = ["--target", str(self.holder), "--user", "--mount", "--preserve-credentials"]
        return ["nsenter", *where, f"--wd={folder}"]


@contextmanager
def pod_view(folder: Path, port: int, ca_file: Path, token: str) -> Iterator[View | None]:
    """What a pod sees, as long as the block runs; None where namespaces are not allowed.

    Args:
        folder: empty.
        port: of the API server, on loopback.
    """
    account = folder / "serviceaccount"
    account.mkdir(parents=True)
    (account / "token").write_text(token, encoding="utf-8")
    (account / "ca.crt").write_bytes(ca_file.read_bytes())
    (account / "namespace").write_text("taskgate", encoding="utf-8")
    settings = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
    command = [*_UNSHARE, "sh", "-euc", _HOLD, str(account)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as holder:
        try:
            assert holder.stdout
            ready = holder.stdout.readline().strip() == "ready"
            yield View(settings | senders(folder), holder.pid) if ready else None
        finally:
            holder.kill()


def kubeconfig_view(folder: Path, kubeconfig: Path) -> View:
    """The same without a pod.

    Args:
        folder: for the file of tokens.
    """
    return View({"KUBECONFIG": str(kubeconfig)} | senders(folder))


def senders(folder: Path) -> dict[str, str]:
    """The settings of who may send."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = folder / "tokens"
    tokens.write_text(f"{_TOKEN}\n", encoding="utf-8")
    return {"TASKGATE_AUTH": "token", "TASKGATE_TOKEN_FILE": str(tokens)}
