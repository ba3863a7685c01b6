"""Which telemetry the environment asks to push to an OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import unquote

from func.core.errors import SettingError
from func.redaction import protect, redact_url

Export = Literal["traces", "metrics"]


def read_exports(environment: Mapping[str, str]) -> frozenset[Export]:
    """Return what is pushed to an OpenTelemetry collector, from variables of its SDK, which reads the others itself.

    Raises:
        SettingError: for the first that is wrong.

    Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
    https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    for name, value in environment.items():
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("HEADERS"):
            _protect_headers(value)
    return frozenset(each for each in get_args(Export) if _is_pushed(environment, each))


def _protect_headers(headers: str) -> None:
    """Keep them out of the log: `authorization=Bearer%20abc,x-api-key=def`."""
    for header in headers.split(","):
        value = header.partition("=")[2].strip()
        protect(value)
        for part in unquote(value).split():
            protect(part)


def _is_pushed(environment: Mapping[str, str], export: Export) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    variable = f"OTEL_{export.upper()}_EXPORTER"
    endpoint = _own_or_common(environment, export, "ENDPOINT")
    if endpoint is None or environment.get(variable) == "none":
        return False
    if environment.get(variable) not in (None, "", "otlp"):
        raise SettingError(f"{variable} is {environment[variable]!r}: expected otlp or none")
    name, url = endpoint
    if not url.startswith(("http://", "https://")):
        raise SettingError(f"{name} is {redact_url(url)!r}: expected a URL like http://otel-collector.monitoring:4318")
    protocol = _own_or_common(environment, export, "PROTOCOL")
    if protocol and protocol[1] != "http/protobuf":
        raise SettingError(f"{protocol[0]} is {protocol[1]!r}: expected http/protobuf, at the collector's port 4318")
    return True


def _own_or_common(environment: Mapping[str, str], export: Export, what: str) -> tuple[str, str] | None:
    """Return name and value of the variable of one export, else of the one for both."""
    names = (f"OTEL_EXPORTER_OTLP_{export.upper()}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next(((name, environment[name]) for name in names if environment.get(name)), None)
