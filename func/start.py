"""Settings -> the parts that an event needs, put together."""

from __future__ import annotations

from collections.abc import Mapping

from func.auth import Anyone, Gatekeeper, TokenFile
from func.http import THREADS, Function
from func.kube import KubernetesError, connect
from func.pipeline import Pipeline
from func.settings import SettingError, Settings, read_settings


def start(environment: Mapping[str, str]) -> Function:
    """The function, ready for events.

    Raises: SystemExit, one line, when a setting is wrong.
    """
    try:
        settings = read_settings(environment)
        return Function(build_pipeline(settings), _gatekeeper(settings))
    except (SettingError, KubernetesError) as error:
        raise SystemExit(f"taskgate: {error}") from None


def build_pipeline(settings: Settings, *, writes: bool | None = None) -> Pipeline:
    """A pipeline that talks to the cluster of the settings.

    Args:
        writes: None for what the mode says.

    Raises: KubernetesError.
    """
    workflows = connect(settings.kubeconfig, settings.rules.workflows.namespace, THREADS)
    argo = None
    if settings.argo_server:
        from func import argo as argo_server

        argo = argo_server.connect(settings.argo_server, settings.argo_server_token_file)
    return Pipeline(settings.rules, workflows, argo, writes=settings.mode == "open" if writes is None else writes)


def _gatekeeper(settings: Settings) -> Gatekeeper:
    if settings.auth == "token" and settings.token_file:
        return TokenFile(settings.token_file)
    return Anyone()
