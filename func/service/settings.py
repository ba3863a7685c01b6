"""The environment -> Settings. All but the files of tokens is read once, at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from func.core.errors import SettingError
from func.core.gates_file import parse_rules
from func.core.rules import Rules
from func.redaction import redact_url

Auth = Literal["token", "kubernetes", "none"]
Mode = Literal["open", "observe"]
Switch = Literal["true", "false"]
# Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
BUILT_IN_RULES = Path(__file__).parent.with_name("gates.yaml")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the function.

    Args:
        token_file: has the valid tokens of senders, one a line.
        kubeconfig: None for the service account of the pod.
        argo_server: URL; None where no nodes are offloaded.
        pod_namespace: None outside a cluster.
        kubernetes_events: whether each write to a Workflow is also recorded as a Kubernetes Event.
    """

    rules: Rules
    auth: Auth
    mode: Mode
    token_file: Path | None
    kubeconfig: Path | None
    argo_server: str | None
    argo_server_token_file: Path | None
    argo_server_ca_file: Path | None
    pod_namespace: str | None
    kubernetes_events: bool


def read_rules(path: Path | None, where: str | None = None) -> Rules:
    """Return the rules of a gates.yaml, or the built-in ones.

    Args:
        path: of the file; None for the built-in rules.
        where: what named the file, for messages; by default TASKGATE_CONFIG.

    Raises:
        SettingError: one line.
    """
    path = path or BUILT_IN_RULES
    where = where or f"TASKGATE_CONFIG is {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingError(f"{where}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SettingError(f"{where}: expected text in UTF-8") from None
    return parse_rules(text, str(path))


def read_settings(environment: Mapping[str, str], config: Path | None = None) -> Settings:
    """Return all settings.

    Args:
        environment: by name.
        config: the gates.yaml of the option `--config`, instead of TASKGATE_CONFIG.

    Raises:
        SettingError: for the first that is wrong.
    """
    in_cluster = bool(environment.get("KUBERNETES_SERVICE_HOST"))
    token_file = _path(environment, "TASKGATE_TOKEN_FILE")
    auth = environment.get("TASKGATE_AUTH")
    if not auth:
        if in_cluster:
            raise SettingError(f"TASKGATE_AUTH is not set: in a cluster, choose one of {', '.join(get_args(Auth))}")
        auth = "token" if token_file else "none"
    argo_server = environment.get("ARGO_SERVER") or None
    if argo_server and not argo_server.startswith(("http://", "https://")):
        raise SettingError(
            f"ARGO_SERVER is {redact_url(argo_server)!r}: expected a URL like https://argo-server.argo:2746"
        )
    authority = _path(environment, "ARGO_SERVER_CA_FILE")
    if authority:
        _check_authority(authority, argo_server)
    told = environment.get("TASKGATE_KUBERNETES_EVENTS") or "false"
    named = f"--config is {config}" if config else None
    settings = Settings(
        rules=read_rules(config or _path(environment, "TASKGATE_CONFIG"), named),
        auth=_choice("TASKGATE_AUTH", auth, Auth),
        mode=_choice("TASKGATE_MODE", environment.get("TASKGATE_MODE") or "open", Mode),
        token_file=token_file,
        kubeconfig=_path(environment, "KUBECONFIG"),
        argo_server=argo_server.rstrip("/") if argo_server else None,
        argo_server_token_file=_path(environment, "ARGO_SERVER_TOKEN_FILE"),
        argo_server_ca_file=authority,
        pod_namespace=_POD_NAMESPACE.read_text(encoding="utf-8").strip() if _POD_NAMESPACE.is_file() else None,
        kubernetes_events=_choice("TASKGATE_KUBERNETES_EVENTS", told, Switch) == "true",
    )
    if settings.auth == "token":
        _check_token_file(token_file)
    elif token_file:
        raise SettingError(f"TASKGATE_TOKEN_FILE is {token_file}: expected TASKGATE_AUTH=token beside it, not {auth}")
    return settings


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    return Path(value) if value else None


def _choice(name: str, value: str, choices: object) -> Any:  # noqa: ANN401 - a member of the Literal
    if value not in get_args(choices):
        raise SettingError(f"{name} is {value!r}: expected one of {', '.join(get_args(choices))}")
    return value


def _check_authority(path: Path, argo_server: str | None) -> None:
    import ssl  # slow to import, and not needed by most commands

    where = f"ARGO_SERVER_CA_FILE is {path}"
    if not (argo_server or "").startswith("https://"):
        raise SettingError(f"{where}: expected ARGO_SERVER beside it, with an address of https")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        why = "it has no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingError(f"{where}: cannot be read ({why})") from None


def _check_token_file(path: Path | None) -> None:
    if path is None:
        raise SettingError("TASKGATE_TOKEN_FILE is not set: TASKGATE_AUTH=token expects a file with one token a line")
    try:
        tokens = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SettingError(f"TASKGATE_TOKEN_FILE is {path}: cannot be read ({why})") from None
    if not tokens:
        raise SettingError(f"TASKGATE_TOKEN_FILE is {path}: expected at least one line with a token, it has none")
