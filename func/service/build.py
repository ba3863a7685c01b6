"""Build the application from its settings."""

from __future__ import annotations

from collections.abc import Mapping

from func.core.errors import SettingError
from func.kube.client import Api
from func.kube.connection import connect
from func.kube.token_reviews import TokenReviews
from func.kube.workflows import Workflows
from func.redaction import redact
from func.service.app import THREADS, App
from func.service.authentication import Anyone, Authenticator, SenderTokens, ServiceAccounts
from func.service.pipeline import Pipeline
from func.service.settings import Settings, read_settings
from func.telemetry.facade import Observer, Telemetry
from func.telemetry.settings import read_exports


def build_app(environment: Mapping[str, str]) -> App:
    """Return the application, ready for events.

    Raises:
        SystemExit: one line, when a setting is wrong.
    """
    try:
        settings = read_settings(environment)
        api = connect(settings.kubeconfig, THREADS)
        pipeline = build_pipeline(settings, api, writes=settings.mode == "open")
        if settings.kubernetes_events:
            from func.telemetry.kubernetes_events import EventRecorder

            pipeline.recorder = EventRecorder(api)
        telemetry = Telemetry(settings.rules.gates, _observer(environment))
        return App(pipeline, _authenticator(settings, api), telemetry)
    except SettingError as error:
        raise SystemExit(redact(f"taskgate: {error}")) from None


def build_pipeline(settings: Settings, api: Api, *, writes: bool) -> Pipeline:
    """Return a pipeline for the cluster of the settings.

    Args:
        settings: of the function.
        api: of the cluster.
        writes: False to decide only.
    """
    argo = None
    if settings.argo_server:
        from func.kube import argo_server

        argo = argo_server.connect(settings.argo_server, settings.argo_server_token_file, settings.argo_server_ca_file)
    return Pipeline(settings.rules, Workflows(api, settings.rules.workflows.namespace), argo, writes=writes)


def _authenticator(settings: Settings, api: Api) -> Authenticator:
    if settings.auth == "token" and settings.token_file:
        return SenderTokens(settings.token_file)
    if settings.auth == "kubernetes":
        return ServiceAccounts(TokenReviews(api), settings.pod_namespace)
    return Anyone()


def _observer(environment: Mapping[str, str]) -> Observer | None:
    exports = read_exports(environment)
    if not exports:
        return None
    try:
        from func.telemetry import otlp  # its import takes 0.1 s
    except ImportError as error:
        raise SettingError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and {error.name} is not installed: "
            "expected the image whose tag ends with -otlp, or pip install 'taskgate[otlp]'"
        ) from None
    return otlp.connect(exports)
