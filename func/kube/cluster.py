"""The address of one API server and the identity that Taskgate has there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from func.kube.credentials import Credential

UseCertificate = Callable[[str, str], None]
"""Takes a client certificate and its key, as PEM, when a credential makes a new one."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How one API server is reached.

    Args:
        server: URL, without a slash at the end.
        name: of it, for messages.
        context: of the kubeconfig; None in a pod.
        authority: certificates that vouch for the server, as PEM; None for those of this machine.
        is_verified: False where its certificate is not looked at.
        tls_name: the name in its certificate, where it is not that of the URL.
        proxy: URL.
        certificate: a client certificate and its key, as PEM.
        credential: makes who we are; it gets what takes a client certificate that is made later.
    """

    server: str
    name: str
    context: str | None
    credential: Callable[[UseCertificate], Credential] = field(repr=False)
    authority: str | None = None
    is_verified: bool = True
    tls_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    certificate: tuple[str, str] | None = field(default=None, repr=False)
