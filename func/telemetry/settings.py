"""The environment -> which telemetry is pushed to an OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import unquote

from func.core.errors import SettingError
from func.redaction import protect, redact_url

Signal = Literal["traces", "metrics"]


def read_pushed(environment: Mapping[str, str]) -> frozenset[Signal]:
    """What goes to an OpenTelemetry collector; the variables of its SDK, which reads the rest of them itself.

    Raises: SettingError, at the first that is wrong.
    Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and
    https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """
    for name, value in environment.items():
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith("HEADERS"):
            _protect_headers(value)
    return frozenset(signal for signal in get_args(Signal) if _is_pushed(environment, signal))


def _protect_headers(headers: str) -> None:
    """Let no log line show them: `authorization=Bearer%20abc,x-api-key=def`."""
    for header in headers.split(","):
        value = header.partition("=")[2].strip()
        protect(value)
        for part in unquote(value).split():
            protect(part)


def _is_pushed(environment: Mapping[str, str], signal: Signal) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = f"OTEL_{signal.upper()}_EXPORTER"
    endpoint = _own_or_common(environment, signal, "ENDPOINT")
    if endpoint is None or environment.get(exporter) == "none":
        return False
    if environment.get(exporter) not in (None, "", "otlp"):
        raise SettingError(f"{exporter} is {environment[exporter]!r}: expected otlp or none")
    name, url = endpoint
    if not url.startswith(("http://", "https://")):
        raise SettingError(f"{name} is {redact_url(url)!r}: expected a URL like http://otel-collector.monitoring:4318")
    protocol = _own_or_common(environment, signal, "PROTOCOL")
    if protocol and protocol[1] != "http/protobuf":
        raise SettingError(f"{protocol[0]} is {protocol[1]!r}: expected http/protobuf, at the collector's port 4318")
    return True


def _own_or_common(environment: Mapping[str, str], signal: Signal, what: str) -> tuple[str, str] | None:
    """The variable of one signal, else the one of all of them: its name and its value."""
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next(((name, environment[name]) for name in names if environment.get(name)), None)
