"""The cluster and the rules that a person's command is about, from the environment."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from func.core.errors import SettingError
from func.kube.client import Api
from func.kube.connection import connect
from func.service.settings import Settings, read_settings

if TYPE_CHECKING:
    from func.service.pipeline import Pipeline

_CALL_SECONDS = 15.0  # large Workflows over a slow line; nobody's event waits for it
_CONTEXT = "taskgate.context"
# The others are about the function: who may send to it, and whether it writes.
_READ = ("TASKGATE_CONFIG", "KUBECONFIG", "ARGO_SERVER", "ARGO_SERVER_TOKEN_FILE", "ARGO_SERVER_CA_FILE")

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="gates.yaml; default: TASKGATE_CONFIG, else built in.",
)


def _keep(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    ctx.meta[_CONTEXT] = value


# A command need not hand it on: whoever connects finds it with the command that is running.
context_option = click.option(
    "--context", metavar="NAME", expose_value=False, callback=_keep, help="Context of the kubeconfig; default: current."
)


def settings_for_people(config: Path | None) -> Settings:
    """Return the settings that matter for looking at things; without KUBECONFIG the kubeconfig is kubectl's.

    Raises:
        SettingError: one of them is wrong.
    """
    environment = {name: os.environ[name] for name in _READ if name in os.environ} | {"TASKGATE_AUTH": "none"}
    if not environment.get("KUBECONFIG") and _default_kubeconfig().is_file():
        environment["KUBECONFIG"] = str(_default_kubeconfig())
    return read_settings(environment, config)


def is_there_a_cluster() -> bool:
    """Return whether there is a kubeconfig, or this is a pod."""
    named = os.environ.get("KUBECONFIG") or os.environ.get("KUBERNETES_SERVICE_HOST")
    return bool(named) or _default_kubeconfig().is_file()


def connect_for_people(settings: Settings) -> Api:
    """Return a client for the cluster of KUBECONFIG, else of ~/.kube/config, else of this pod.

    Raises:
        SettingError: there is none, or its configuration is wrong.
    """
    running = click.get_current_context(silent=True)
    context = running.meta.get(_CONTEXT) if running else None
    if context and not settings.kubeconfig:
        raise SettingError(f"--context is {context}: there is no kubeconfig to find it in; set KUBECONFIG")
    api = connect(settings.kubeconfig, 1, context, is_interactive=sys.stdin.isatty() and sys.stderr.isatty())
    api.call_timeout = _CALL_SECONDS
    return api


def pipeline_for_people(config: Path | None) -> Pipeline:
    """Return a pipeline for that cluster which writes nothing.

    Raises:
        SettingError: a setting is wrong, or there is no cluster.
    """
    from func.service.build import build_pipeline  # it imports the function

    settings = settings_for_people(config)
    pipeline = build_pipeline(settings, connect_for_people(settings), writes=False)
    pipeline.clock = now
    return pipeline


def now() -> datetime:
    """Return the time that explanations are of, in UTC."""
    return datetime.now(UTC)


def _default_kubeconfig() -> Path:
    return Path("~/.kube/config").expanduser()
