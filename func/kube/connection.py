"""Connect to the cluster of a kubeconfig, or of the pod that this runs in."""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader, find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from func.core.errors import SettingError
from func.kube.client import Api
from func.kube.cluster import Cluster, UseCertificate
from func.kube.credentials import Credential, Fixed, TokenFile, basic
from func.kube.errors import ApiError
from func.kube.lasting_writes import AT_ONCE
from func.redaction import protect

# Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PLUGIN_SECONDS = 10.0  # of the start; a plugin that takes longer continues in its thread
_PROXIES = ("http", "https")
_PERSON_SECONDS = 300.0  # for a person who signs in
# What `import kubernetes` brings along and a call does not need: half of its time, most of it for OAuth.
_UNNEEDED = frozenset(
    f"kubernetes.{name}" for name in ("config", "dynamic", "informer", "leaderelection", "stream", "watch")
)


def connect(
    kubeconfig: Path | None, connections: int, context: str | None = None, *, is_interactive: bool = False
) -> Api:
    """Return a client for the cluster of a kubeconfig, or of this pod.

    Args:
        kubeconfig: None for the pod's service account.
        connections: how many are kept open.
        context: of the kubeconfig; None for its current one.
        is_interactive: a credential plugin may ask a person, at the terminal.

    Raises:
        SettingError: one line, without any credential.
    """
    with _loaded_when_used(_UNNEEDED):
        from kubernetes.client import Configuration
        from kubernetes.client.rest import RESTClientObject  # without ApiClient, whose import takes another 10 ms
    from func.kube.sockets import prepare  # with urllib3

    cluster = _of_kubeconfig(kubeconfig, context, is_interactive=is_interactive) if kubeconfig else _of_pod()
    configuration = Configuration(host=cluster.server)
    configuration.connection_pool_maxsize = connections + AT_ONCE
    configuration.retries = False  # the client retries by itself
    configuration.verify_ssl = cluster.is_verified
    configuration.tls_server_name = cluster.tls_name
    _use_proxy(configuration, cluster)
    try:
        manager = RESTClientObject(configuration).pool_manager
    except (ValueError, ImportError):  # urllib3 does not know the scheme, or needs PySocks for it
        raise SettingError(f"the proxy of {cluster.name}: expected a URL like http://10.0.0.1:3128") from None
    tls = _tls_of(cluster) if cluster.server.startswith("https:") else None
    if tls:
        manager.connection_pool_kw["ssl_context"] = tls
    prepare(manager)

    def pool() -> Any:  # noqa: ANN401
        # Its one pool, asked directly: the manager would look for it at each call.
        return manager if manager.proxy else manager.connection_from_url(cluster.server)

    def use_certificate(certificate: str, key: str) -> None:
        if tls:
            _load_certificate(tls, certificate, key)
            manager.clear()  # the connections made with the one before
            api.pool = pool()

    base = cluster.server if manager.proxy else urlsplit(cluster.server).path
    api = Api(pool(), base, Fixed(""), f"{cluster.server}, {cluster.name}", cluster.context)
    api.credential = cluster.credential(use_certificate)
    if start := getattr(api.credential, "start", None):
        try:
            start(_PERSON_SECONDS if is_interactive else _PLUGIN_SECONDS)
        except ApiError as error:
            raise SettingError(f"KUBECONFIG is {kubeconfig}, {cluster.name}: {error.reason.rstrip('.')}") from None
    return api


def _of_kubeconfig(kubeconfig: Path, context: str | None, *, is_interactive: bool) -> Cluster:
    from func.kube.kubeconfig import read_kubeconfig  # which a pod does not need

    return read_kubeconfig(str(kubeconfig), context, is_interactive=is_interactive)


def _of_pod() -> Cluster:
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
    if not host or not port:
        raise SettingError("KUBECONFIG is not set and this is not a pod: expected the configuration of a cluster")
    token, authority = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    missing = [str(path) for path in (token, authority) if not path.is_file()]
    if missing:
        raise SettingError(
            f"this pod has no API credential, {missing[0]} is missing: mount a service account token, or set KUBECONFIG"
        )

    def credential(_: UseCertificate) -> Credential:
        return TokenFile(token)

    return Cluster(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        name="the pod's service account",
        context=None,
        credential=credential,
        authority=authority.read_text(encoding="utf-8"),
    )


def _use_proxy(configuration: Any, cluster: Cluster) -> None:  # noqa: ANN401 - a class that is loaded late
    """Send user and password of a proxy's URL as a header, which urllib3 does not do."""
    proxy = cluster.proxy or configuration.proxy  # else that of HTTPS_PROXY, HTTP_PROXY
    if not proxy:
        return
    try:
        parts = urlsplit(proxy)
        user, password, host, _ = parts.username, parts.password, parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or (parts.scheme not in _PROXIES and not find_spec("socks")):  # of PySocks, which SOCKS needs
        raise SettingError(f"the proxy of {cluster.name}: expected a URL like http://10.0.0.1:3128")
    if password:
        protect(password)
    if user and parts.scheme in _PROXIES:
        configuration.proxy_headers = {"Proxy-Authorization": basic(unquote(user), unquote(password or ""))}
        proxy = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    configuration.proxy = proxy


def _tls_of(cluster: Cluster) -> ssl.SSLContext:
    """Return one TLS context for all connections: loading the certificates takes a millisecond each time."""
    from urllib3.util.ssl_ import create_urllib3_context

    tls = create_urllib3_context()
    try:
        if cluster.authority:
            tls.load_verify_locations(cadata=cluster.authority)
        else:
            tls.load_default_certs()
    except (ssl.SSLError, ValueError):
        raise SettingError(f"{cluster.name}: expected its certificate authority as PEM") from None
    if cluster.certificate:
        try:
            _load_certificate(tls, *cluster.certificate)
        except (ssl.SSLError, ValueError):
            raise SettingError(f"{cluster.name}: the client certificate and its key do not match") from None
    return tls


def _load_certificate(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate, from a temporary file: ssl takes no other."""
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem") as file:  # readable by this user only
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        tls.load_cert_chain(file.name)


@contextmanager
def _loaded_when_used(modules: frozenset[str]) -> Iterator[None]:
    """Load modules that are imported meanwhile when one of their names is first used, which may be never.

    A cold start takes 16 % longer without it: `python -m tests.bench.pairs`.

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
