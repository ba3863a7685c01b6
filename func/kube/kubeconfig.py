"""A kubeconfig -> the cluster of one of its contexts, with its credential.

The Kubernetes client's own loader is not used: its errors contain the whole user, it runs plugins without a timeout,
and it never renews what they print.

Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ and clientcmd of k8s.io/client-go
"""

from __future__ import annotations

import base64
import binascii
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from func.core.errors import SettingError
from func.kube.cluster import Cluster, UseCertificate
from func.kube.credentials import Credential, Fixed, TokenFile, basic, bearer
from func.kube.errors import Unauthenticated
from func.redaction import protect

Entry = tuple[Path, Mapping[str, Any]]
# Impersonation in kubectl. To ignore these fields would mean to act with other permissions.
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


def read_kubeconfig(paths: str, context: str | None, *, is_interactive: bool) -> Cluster:
    """Return the cluster of a context.

    Args:
        paths: one path, or several separated by colons, as in KUBECONFIG.
        context: None for the current one.
        is_interactive: whether a plugin may ask a person at the terminal.

    Raises:
        SettingError: one line, without any credential.
    """
    merged = _Merged(paths)
    name = context or merged.current
    if not name:
        names = merged.names("contexts")
        if not names:
            raise SettingError(f"KUBECONFIG is {paths}: expected the configuration of a cluster, it has no contexts")
        raise SettingError(f"KUBECONFIG is {paths}: it has no current-context; choose with --context: {names}")
    _, chosen = merged.get("contexts", "context", name)
    where = f"KUBECONFIG is {paths}, context {name}"
    cluster_name, user_name = chosen.get("cluster"), chosen.get("user")
    if not isinstance(cluster_name, str):
        raise SettingError(f"{where}: it names no cluster")
    file, cluster = merged.get("clusters", "cluster", cluster_name)
    user_file, user = merged.get("users", "user", user_name) if isinstance(user_name, str) and user_name else (file, {})
    at_cluster = _Fields(cluster, file, f"KUBECONFIG is {paths}, cluster {cluster_name}")
    at_user = _Fields(user, user_file, f"KUBECONFIG is {paths}, user {user_name}")
    certificate, key = at_user.data("client-certificate"), at_user.data("client-key")
    if (certificate is None) != (key is None):
        raise SettingError(f"{at_user.where}: expected client-certificate and client-key together")
    return Cluster(
        server=_server(at_cluster),
        name=f"context {name}",
        context=name,
        credential=lambda use: _credential(at_user, at_cluster, use, is_interactive=is_interactive),
        authority=at_cluster.data("certificate-authority"),
        is_verified=cluster.get("insecure-skip-tls-verify") is not True,
        tls_name=at_cluster.text("tls-server-name"),
        proxy=at_cluster.text("proxy-url"),
        certificate=(certificate, protect(key)) if certificate and key else None,
    )


class _Merged:
    """One or more files; of several entries with one name the first counts, as for kubectl."""

    def __init__(self, paths: str) -> None:
        self._paths = paths
        self._files = [
            (path, _read(path)) for path in map(Path, filter(None, paths.split(os.pathsep))) if path.exists()
        ]
        if not self._files:
            raise SettingError(f"KUBECONFIG is {paths}: there is no such file")

    @property
    def current(self) -> str | None:
        named = (content.get("current-context") for _, content in self._files)
        return next((each for each in named if isinstance(each, str) and each), None)

    def names(self, kind: str) -> str:
        return ", ".join(sorted({name for name, _, _ in self._all(kind)}))

    def get(self, kind: str, inner: str, name: str) -> Entry:
        for found, path, entry in self._all(kind):
            if found == name:
                content = entry.get(inner)
                return path, content if isinstance(content, dict) else {}
        raise SettingError(
            f"KUBECONFIG is {self._paths}: it has no {inner} {name}; it has: {self.names(kind) or 'none'}"
        )

    def _all(self, kind: str) -> list[tuple[str, Path, Mapping[str, Any]]]:
        lists = ((path, content.get(kind) or []) for path, content in self._files)
        entries = ((path, entry) for path, each in lists if isinstance(each, list) for entry in each)
        return [
            (str(entry["name"]), path, entry) for path, entry in entries if isinstance(entry, dict) and "name" in entry
        ]


def _read(path: Path) -> Mapping[str, Any]:
    where = f"KUBECONFIG is {path}"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe one
    except OSError as error:
        raise SettingError(f"{where}: cannot be read ({error.strerror})") from None
    except yaml.MarkedYAMLError as error:  # its own message shows the line, which may hold a credential
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SettingError(f"{where}: expected YAML, there is an error{line}") from None
    except (yaml.YAMLError, ValueError):
        raise SettingError(f"{where}: expected YAML") from None
    if not isinstance(content, dict):
        raise SettingError(f"{where}: expected the configuration of a cluster, with contexts, clusters and users")
    return content


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of a cluster or of a user."""

    fields: Mapping[str, Any] = field(repr=False)
    file: Path
    where: str

    def text(self, name: str) -> str | None:
        """Return a string; None where it is absent or empty."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            raise SettingError(f"{self.where}: {name} is not a string")
        return value or None

    def path(self, name: str) -> Path | None:
        """Return the path of a file, relative to the one that names it."""
        value = self.text(name)
        return self.file.parent / value if value else None

    def data(self, name: str) -> str | None:
        """Return PEM, from the field itself or from the file that it names."""
        encoded, path = self.text(f"{name}-data"), self.path(name)
        try:
            if encoded:
                return base64.b64decode(encoded, validate=True).decode()
            return path.read_text(encoding="utf-8") if path else None
        except OSError as error:
            raise SettingError(f"{self.where}: {name} {path} cannot be read ({error.strerror})") from None
        except (binascii.Error, UnicodeDecodeError):
            raise SettingError(f"{self.where}: {name} is not PEM") from None


def _server(cluster: _Fields) -> str:
    server = (cluster.text("server") or "").rstrip("/")
    try:
        parts = urlsplit(server)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingError(f"{cluster.where}: expected a server like https://10.0.0.1:6443, without user or password")
    return server


def _credential(
    user: _Fields, cluster: _Fields, use_certificate: UseCertificate, *, is_interactive: bool
) -> Credential:
    """Return the credential of a user, in kubectl's order: the token's file, the token, and else a plugin."""
    impersonated = [name for name in _IMPERSONATION if user.fields.get(name)]
    if impersonated:
        raise SettingError(f"{user.where}: {impersonated[0]} (impersonation) is not supported")
    name, password = user.text("username"), user.text("password")
    token, token_file = user.text("token"), user.path("tokenFile")
    if (token or token_file) and name:
        raise SettingError(f"{user.where}: expected a token or a username, not both")
    try:
        if token_file:
            from_file = TokenFile(token_file, f"tokenFile {token_file}")
            from_file.headers(0)
            return from_file
        if token:
            return Fixed("its token", bearer(token, "token"))
    except Unauthenticated as error:
        raise SettingError(f"{user.where}: {error.reason.rstrip('.')}") from None
    if name:
        return Fixed("its username and password", {"Authorization": basic(name, password or "")})
    if isinstance(user.fields.get("exec"), dict):
        return _plugin(user, cluster, use_certificate, is_interactive=is_interactive)
    if isinstance(provider := user.fields.get("auth-provider"), dict):
        raise SettingError(
            f"{user.where}: auth-provider {provider.get('name')} is not supported; "
            "use a credential plugin (exec) such as kubelogin"
        )
    has_certificate = user.fields.get("client-certificate-data") or user.fields.get("client-certificate")
    return Fixed("its client certificate" if has_certificate else "")


def _plugin(user: _Fields, cluster: _Fields, use_certificate: UseCertificate, *, is_interactive: bool) -> Credential:
    from func.kube.exec_plugin import VERSIONS, ExecCredential, Plugin

    told = _Fields(user.fields["exec"], user.file, f"{user.where}, exec")
    command, version = told.text("command"), told.text("apiVersion")
    if not command:
        raise SettingError(f"{told.where}: expected a command")
    if version not in VERSIONS:
        raise SettingError(f"{told.where}: apiVersion is {version}, expected one of {', '.join(VERSIONS)}")
    mode = told.text("interactiveMode") or "IfAvailable"
    is_interactive = is_interactive and mode != "Never" and sys.stdin.isatty()
    if mode == "Always" and not is_interactive:
        raise SettingError(f"{told.where}: {command} requires a terminal (interactiveMode: Always), and there is none")
    arguments, variables = told.fields.get("args") or [], told.fields.get("env") or []
    if not isinstance(arguments, list) or not isinstance(variables, list):
        raise SettingError(f"{told.where}: expected lists as args and env")
    plugin = Plugin(
        # A path in the file is relative to it; a plain name is looked for in PATH.
        command=str(user.file.parent.absolute() / command) if os.sep in command else command,
        arguments=tuple(map(str, arguments)),
        environment={str(each["name"]): str(each.get("value", "")) for each in variables if "name" in each},
        version=version,
        cluster=_cluster_info(cluster) if told.fields.get("provideClusterInfo") else None,
        is_interactive=is_interactive,
        hint=told.text("installHint") or "",
    )
    return ExecCredential(plugin, f"the credential plugin {command}", use_certificate)


def _cluster_info(cluster: _Fields) -> Mapping[str, object]:
    """Return the information about the cluster for a plugin that asks for it."""
    names = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
    told = {name: cluster.fields[name] for name in names if cluster.fields.get(name)}
    if authority := cluster.data("certificate-authority"):
        told["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    for extension in cluster.fields.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == "client.authentication.k8s.io/exec":
            told["config"] = extension.get("extension")
    return told
