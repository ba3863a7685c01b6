"""The page on observing names every field, metric, variable and alert of the function."""

from __future__ import annotations

import re
from typing import get_args

import yaml

from func.telemetry.metrics import CATALOGUE
from func.telemetry.settings import Export, read_exports
from tests.docs.markdown import DOCS, ROOT, links, table

PAGE = (DOCS / "observe.md").read_text()


def test_all_metrics() -> None:
    rows = [(row[0].strip("`"), row[1], re.findall(r"`(\w+)`", row[2]), row[3]) for row in table(PAGE, "metric")]
    assert rows == [(each.prometheus, each.kind, list(each.labels), each.help) for each in CATALOGUE]


def test_all_fields_and_attributes_of_the_log() -> None:
    source = (ROOT / "func/telemetry/log.py").read_text()
    for head, fields in (
        ("attribute", re.findall(r'^        "([a-z_.0-9]+\.[a-z_.]+)": ', source, re.MULTILINE)),
        ("field", re.findall(r'"(\w+)": ', source)),
    ):
        named = [word for row in table(PAGE, head) for word in re.findall(r"`([\w.]+)`", row[0])]
        assert named == fields, head


def test_the_variables_of_opentelemetry_that_we_read() -> None:
    source = (ROOT / "func/service/settings.py").read_text()
    named = {word for row in table(PAGE, "variable") for word in re.findall(r"`(OTEL_\w+)`", row[0])}
    for signal in get_args(Export):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
        assert read_exports(settings) == set(get_args(Export))
        assert {f"OTEL_{signal.upper()}_EXPORTER", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"} <= named
        assert signal not in read_exports(settings | {f"OTEL_{signal.upper()}_EXPORTER": "none"})
    assert set(re.findall(r'"(OTEL_\w+)"', source)) <= named


def test_the_reasons_of_kubernetes_events() -> None:
    named = [row[0].strip("`") for row in table(PAGE, "reason")]
    assert named == re.findall(r'\("(\w+)", "\w+"\),', (ROOT / "func/telemetry/kubernetes_events.py").read_text())


def test_all_alerts_and_their_pages() -> None:
    rules = yaml.safe_load((ROOT / "knative/components/monitoring/alerts.yaml").read_text())["spec"]["groups"][0][
        "rules"
    ]
    wanted = [(rule["alert"], rule["annotations"]["runbook_url"].partition("/docs/")[2]) for rule in rules]
    assert sorted((row[0].strip("`"), links(row[2])[0]) for row in table(PAGE, "alert")) == sorted(wanted)
