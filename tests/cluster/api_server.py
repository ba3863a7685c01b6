"""The real Kubernetes API server with its etcd, on the loopback."""

from __future__ import annotations

import base64
import gzip
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.cluster.api_client import ApiClient
from tests.cluster.processes import Processes, free_port, wait_for

ADMIN_TOKEN = "cluster-tests-admin"
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
LOOPBACK = "127.0.0.1"
SERVICE = "10.0.0.1"  # of the API server itself, where something serves Services


def generate_certificate(tools: Path, folder: Path, address: str = LOOPBACK) -> tuple[Path, Path]:
    """Makes a self-signed certificate for an address of this machine and its key in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [tools / "generate-cert", "--host", f"{address},localhost,{SERVICE}", "--ca", "--ecdsa-curve", "P256"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


class RealApiServer:
    """A control plane of two processes: no controllers, so nothing happens that a test did not do.

    Above all nobody makes default service accounts, and a deleted namespace stays Terminating.

    Args:
        address: where it listens; a pod with a network of its own cannot reach the loopback.
    """

    def __init__(self, tools: Path, processes: Processes, folder: Path, address: str = LOOPBACK) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._tools = tools
        self._folder = folder
        self.ca_file, key = generate_certificate(tools, folder, address)
        self.address = address
        etcd_port, self.port = free_port(), free_port()
        self.url = f"https://{address}:{self.port}"
        self.admin = ApiClient(self.url, self.ca_file, ADMIN_TOKEN)
        self.kubeconfig = self.kubeconfig_for(ADMIN_TOKEN)
        tokens = folder / "tokens.csv"
        tokens.write_text(f"{ADMIN_TOKEN},admin,admin,system:masters\n")
        etcd_url = f"http://127.0.0.1:{etcd_port}"
        self._etcd = processes.add(
            "etcd",
            [
                tools / "etcd",
                f"--data-dir={folder / 'etcd'}",
                f"--listen-client-urls={etcd_url}",
                f"--advertise-client-urls={etcd_url}",
                "--listen-peer-urls=http://127.0.0.1:0",
                "--log-level=warn",
                # Nothing here outlives the test run.
                "--unsafe-no-fsync",
            ],
        )
        self._server = processes.add(
            "kube-apiserver",
            [
                tools / "kube-apiserver",
                f"--etcd-servers={etcd_url}",
                f"--bind-address={address}",
                # Its own guess needs a default route, which an isolated machine does not have.
                f"--advertise-address={address}",
                # It publishes where it is for its Service, which must not be the loopback.
                f"--endpoint-reconciler-type={'none' if address == LOOPBACK else 'lease'}",
                f"--secure-port={self.port}",
                f"--tls-cert-file={self.ca_file}",
                f"--tls-private-key-file={key}",
                "--service-cluster-ip-range=10.0.0.0/24",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={self.ca_file}",
                f"--service-account-signing-key-file={key}",
                "--authorization-mode=RBAC",
                f"--token-auth-file={tokens}",
            ],
        )

    def start(self) -> None:
        """Starts what does not run, and waits until it is ready."""
        if not self._etcd.running():
            self._etcd.start()
        if not self._server.running():
            self._server.start()
        wait_for("the API server to be ready", self._ready, self._server)

    def stop(self) -> None:
        """Takes the API server away at once, as a crash does; what is stored stays."""
        self._server.kill()

    def restart(self) -> None:
        """Stops it and starts it again on the same port."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends both processes."""
        self._server.kill()
        self._etcd.kill()
        self.admin.close()

    def install(self, *files: Path) -> None:
        """Creates the CustomResourceDefinitions in the files and waits until they are served."""
        definitions = [one for file in files for one in _documents(file)]
        for definition in definitions:
            self.admin.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        for definition in definitions:
            spec = definition["spec"]
            for version in spec["versions"]:
                kind = spec["group"], version["name"], spec["names"]["plural"]
                wait_for(str(kind), partial(self._served, *kind), self._server)

    def create_namespace(self, name: str) -> None:
        """Creates a namespace."""
        self.admin.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def token_for(self, service_account: str, namespace: str, audiences: Sequence[str] = ()) -> str:
        """A token of a service account, which is created if need be; an hour long, for the API server unless said.

        Source: TokenRequest of authentication.k8s.io/v1.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        if self.admin.request("GET", f"{path}/{service_account}").status == 404:
            self.admin.must("POST", path, {"metadata": {"name": service_account}})
        wanted = {"spec": {"audiences": list(audiences), "expirationSeconds": 3600}}
        token = self.admin.must("POST", f"{path}/{service_account}/token", wanted)["status"]["token"]
        return str(token)

    def kubeconfig_for(self, token: str, namespace: str = "default", certificate: Path | None = None) -> Path:
        """A kubeconfig file for the owner of `token`, that trusts the server's certificate unless another is given."""
        trusted = certificate or self.ca_file
        file = self._folder / f"kubeconfig-{len(list(self._folder.glob('kubeconfig-*')))}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {
                        "server": self.url,
                        "certificate-authority-data": base64.b64encode(trusted.read_bytes()).decode(),
                    },
                }
            ],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
            "current-context": "x",
        }
        file.write_text(yaml.safe_dump(config))
        file.chmod(0o600)
        return file

    def kubectl(self, *arguments: str, objects: Iterable[Any] = ()) -> subprocess.CompletedProcess[str]:
        """Runs kubectl as the administrator, with `objects` on its standard input; the caller checks the exit code."""
        return subprocess.run(
            [self._tools / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=yaml.safe_dump_all(list(objects)),
            env={"HOME": str(self._folder)},  # for its cache of what the server offers
            text=True,
            capture_output=True,
            check=False,
        )

    def _ready(self) -> bool | None:
        try:
            return self.admin.request("GET", "/readyz").status == 200 or None
        except urllib3.exceptions.HTTPError:
            return None

    def _served(self, group: str, version: str, plural: str) -> bool | None:
        """Whether requests are answered, and discovery lists the kind: kubectl looks there, and it comes later."""
        answers = self.admin.request("GET", f"/apis/{group}/{version}/{plural}?limit=1").status == 200
        listed = self.admin.must("GET", "/apis", headers={"Accept": DISCOVERY})
        return (answers and (group, version, plural) in set(_discovered(listed))) or None


def _discovered(listed: Any) -> Iterator[tuple[str, str, str]]:  # noqa: ANN401 - JSON
    """Group, version and plural of each kind in an APIGroupDiscoveryList."""
    for group in listed["items"]:
        for version in group["versions"]:
            for resource in version.get("resources", ()):
                yield group["metadata"]["name"], version["version"], resource["resource"]


def _documents(file: Path) -> list[Any]:
    """The YAML documents of a file, which may be compressed with gzip; read by libyaml, as some have 3 MB."""
    content = file.read_bytes()
    text = gzip.decompress(content) if file.suffix == ".gz" else content
    return [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one]
