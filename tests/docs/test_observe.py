"""The page on observing names every field, metric and variable of the function."""

from __future__ import annotations

import re
from typing import get_args

from func.telemetry.metrics import CATALOGUE
from func.telemetry.settings import Export, read_exports
from tests.docs.markdown import DOCS, ROOT, sections

SECTIONS = {section.title: section.text for section in sections((DOCS / "observe.md").read_text())}


def _items(title: str) -> list[str]:
    """Return the items of a section's lists, each in one line."""
    found = re.findall(r"^- (.*(?:\n  .*)*)", SECTIONS[title], re.MULTILINE)
    return [re.sub(r"\s+", " ", each) for each in found]


def _names(title: str, pattern: str) -> list[str]:
    """Return the names before the colon of each item."""
    return [name for each in _items(title) for name in re.findall(rf"`({pattern})`", each.partition(": ")[0])]


def test_all_metrics() -> None:
    rows = []
    for each in _items("Metrics"):
        match = re.fullmatch(r"`(\w+)` \((\w+)(?:; (.+?))?\): (.+)", each)
        assert match, each
        rows.append((match[1], match[2], re.findall(r"`(\w+)`", match[3] or ""), match[4]))
    assert rows == [(each.prometheus, each.kind, list(each.labels), each.help) for each in CATALOGUE]


def test_all_fields_and_attributes_of_the_log() -> None:
    source = (ROOT / "func/telemetry/log.py").read_text()
    attributes = re.findall(r'^        "([a-z_.0-9]+\.[a-z_.]+)": ', source, re.MULTILINE)
    fields = re.findall(r'"(\w+)": ', source)
    assert sorted(_names("Log", r"[\w.]+")) == sorted([*attributes, *fields])


def test_the_variables_of_opentelemetry_that_we_read() -> None:
    source = (ROOT / "func/service/settings.py").read_text()
    named = set(_names("Traces", r"OTEL_\w+"))
    for signal in get_args(Export):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
        assert read_exports(settings) == set(get_args(Export))
        assert {f"OTEL_{signal.upper()}_EXPORTER", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"} <= named
        assert signal not in read_exports(settings | {f"OTEL_{signal.upper()}_EXPORTER": "none"})
    assert set(re.findall(r'"(OTEL_\w+)"', source)) <= named


def test_the_reasons_of_kubernetes_events() -> None:
    source = (ROOT / "func/telemetry/kubernetes_events.py").read_text()
    assert _names("Kubernetes Events", r"\w+") == re.findall(r'\("(\w+)", "\w+"\),', source)
