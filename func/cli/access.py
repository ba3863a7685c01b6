"""The cluster and the rules that a person's command is about, from the environment."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from func.cli.output import Problem
from func.core.errors import SettingError
from func.kube.client import Api, KubernetesError
from func.kube.connection import connect
from func.service.settings import Settings, read_settings

_CALL_SECONDS = 15.0  # large Workflows over a slow line; nobody's event waits for it
# The others are about the function: who may send to it, and whether it writes.
_READ = ("TASKGATE_CONFIG", "KUBECONFIG", "ARGO_SERVER", "ARGO_SERVER_TOKEN_FILE")

config_option = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="gates.yaml; default: TASKGATE_CONFIG, else built in.",
)


def settings_for_people(config: Path | None) -> Settings:
    """The settings that matter for looking at things.

    Raises: Problem.
    """
    environment = {name: os.environ[name] for name in _READ if name in os.environ} | {"TASKGATE_AUTH": "none"}
    if config:
        environment["TASKGATE_CONFIG"] = str(config)
    try:
        return read_settings(environment)
    except SettingError as error:
        raise Problem(error) from None


def is_there_a_cluster() -> bool:
    """Does the environment name one?"""
    return bool(os.environ.get("KUBECONFIG") or os.environ.get("KUBERNETES_SERVICE_HOST"))


def connect_for_people(settings: Settings) -> Api:
    """A client for the cluster of KUBECONFIG, or of this pod.

    Raises: Problem.
    """
    try:
        api = connect(settings.kubeconfig, connections=1)
    except KubernetesError as error:
        raise Problem(error) from None
    api.call_timeout = _CALL_SECONDS
    return api


def now() -> datetime:
    """The time that explanations are of, in UTC."""
    return datetime.now(UTC)
