"""The address of one API server and the identity that Taskgate has there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from func.kube.credentials import Credential

UseCertificate = Callable[[str, str], None]
"""Takes a client certificate and its key, as PEM, when a credential makes a new one."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """How to reach one API server.

    Args:
        server: URL, without a slash at the end.
        name: for messages.
        context: of the kubeconfig; None in a pod.
        authority: the certificate authorities of the server, as PEM; None for those of this machine.
        is_verified: whether its certificate is verified.
        tls_name: the name in its certificate, where it differs from that of the URL.
        proxy: URL.
        certificate: a client certificate and its key, as PEM.
        credential: makes the credential, given a function that takes a client certificate that is made later.
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
