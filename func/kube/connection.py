"""Which cluster the calls go to: that of a kubeconfig, or the one that this pod runs in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from func.kube.client import Api, KubernetesError, cause_of

if TYPE_CHECKING:
    from urllib3 import PoolManager

# Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# What `import kubernetes` brings along and a call does not need: half of its time, most of it for OAuth.
_UNNEEDED = frozenset(
    f"kubernetes.{name}" for name in ("config", "dynamic", "informer", "leaderelection", "stream", "watch")
)


def connect(kubeconfig: Path | None, connections: int) -> Api:
    """A client for the cluster that a kubeconfig names, or that this pod runs in.

    Args:
        kubeconfig: None for the pod's service account.
        connections: how many are kept open.

    Raises: KubernetesError, one line.
    """
    with _loaded_when_used(_UNNEEDED):
        from kubernetes import client, config
        from kubernetes.client.rest import RESTClientObject  # without ApiClient, whose import takes another 10 ms

    configuration = client.Configuration()
    configuration.connection_pool_maxsize = connections
    configuration.retries = False  # we know better which calls may be repeated
    try:
        if kubeconfig is None:
            _use_service_account(configuration)
        else:
            config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        return _api(configuration, RESTClientObject(configuration).pool_manager)
    except Exception as error:  # a kubeconfig can be wrong in ways that the client has no exception for
        where = f"KUBECONFIG is {kubeconfig}" if kubeconfig else "KUBECONFIG is not set and this is no pod"
        raise KubernetesError(f"{where}: expected the configuration of a cluster ({cause_of(error)})") from None


def _api(configuration: Any, manager: PoolManager) -> Api:  # noqa: ANN401 - a class of the client, which is loaded late
    from func.kube.one_piece import send_in_one_piece  # with urllib3

    def headers() -> dict[str, str]:
        # The configuration reads a token again when it is time for that.
        settings = configuration.auth_settings().values()
        return {"User-Agent": "taskgate"} | {each["key"]: each["value"] for each in settings if each["value"]}

    send_in_one_piece(manager)
    if manager.proxy:
        return Api(manager, configuration.host, headers)
    # Its one pool, asked directly: the manager would look for it at each call.
    return Api(manager.connection_from_url(configuration.host), urlsplit(configuration.host).path, headers)


def _use_service_account(configuration: Any) -> None:  # noqa: ANN401
    """The pod's service account, as `kubernetes.config.load_incluster_config` reads it, without its OAuth.

    Raises: LookupError, OSError, when this is no pod.
    """
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if not host or not port:
        raise LookupError("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    configuration.host = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    authority = _SERVICE_ACCOUNT / "ca.crt"
    authority.read_bytes()
    configuration.ssl_ca_cert = str(authority)
    token_file, read = _SERVICE_ACCOUNT / "token", (0, 0)

    def renew(configuration: Any) -> None:  # noqa: ANN401
        nonlocal read
        status = token_file.stat()
        seen = (status.st_ino, status.st_mtime_ns)
        if seen != read:
            configuration.api_key["BearerToken"] = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
            read = seen

    renew(configuration)
    configuration.refresh_api_key_hook = renew  # called for each request: the kubelet replaces the token time and again


@contextmanager
def _loaded_when_used(modules: frozenset[str]) -> Iterator[None]:
    """Modules that are imported meanwhile are loaded when something of them is asked for, which may be never.

    Source: https://docs.python.org/3/library/importlib.html#implementing-lazy-imports
    """

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:  # noqa: ANN401
            spec = PathFinder.find_spec(name, path, target) if name in modules else None
            if spec and spec.loader:
                spec.loader = LazyLoader(spec.loader)
            return spec

    sys.meta_path.insert(0, Finder)
    try:
        yield
    finally:
        sys.meta_path.remove(Finder)
