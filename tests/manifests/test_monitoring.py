"""The dashboard and the alerts ask for nothing that the function does not tell, and lead to a page that is there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from func.core.outcomes import OUTCOMES
from tests.docs.markdown import ROOT, sections
from tests.manifests.building import KNATIVE, build, find, with_component
from tests.manifests.promql import unknown

HERE = KNATIVE / "components/monitoring"
DASHBOARD: dict[str, Any] = json.loads((HERE / "dashboard.json").read_text())
(GROUP,) = yaml.safe_load((HERE / "alerts.yaml").read_text())["spec"]["groups"]
RULES: list[dict[str, Any]] = GROUP["rules"]
ASKED = [
    *((panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]),
    *((rule["alert"], rule["expr"]) for rule in RULES),
]


@pytest.mark.parametrize(("name", "expression"), ASKED, ids=[name for name, _ in ASKED])
def test_it_asks_for_what_is_told(name: str, expression: str) -> None:
    assert unknown(expression) == set(), name
    for outcomes in re.findall(r'outcome=~?"([^"]+)"', expression):
        assert set(outcomes.split("|")) <= set(OUTCOMES)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("sum(rate(taskgate_nothing_total[5m]))", {"taskgate_nothing_total"}),
        ("taskgate_events", {"taskgate_events"}),
        ("taskgate_event_duration_seconds", {"taskgate_event_duration_seconds"}),
        ('rate(taskgate_events_total{task="3"}[5m])', {"task"}),
        ("sum by (person) (rate(taskgate_events_total[$__rate_interval]))", {"person"}),
        ("taskgate_active_events / on (pod) taskgate_active_events", {"pod"}),
        ("histogram_quantile(0.5, sum by (le, gate) (rate(taskgate_event_duration_seconds_bucket[5m])))", {"gate"}),
    ],
)
def test_what_is_not_told_is_found(expression: str, names: set[str]) -> None:
    assert unknown(expression) == names


def test_what_is_no_promql_is_found() -> None:
    with pytest.raises(ValueError, match=r"invalid|unexpected|syntax"):
        unknown("sum by (rate(taskgate_events_total[5m]))")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alert_says_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert re.fullmatch(r"[^\n]{20,200}[.]", annotations["summary"])
    assert annotations["description"].endswith(".")
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    documents = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Source"] + "/blob/main/"
    page, _, anchor = annotations["runbook_url"].removeprefix(documents).partition("#")
    assert page == "docs/runbook.md"
    assert anchor in {section.anchor for section in sections((ROOT / page).read_text())}
    for label in re.findall(r"\$labels\.(\w+)", str(annotations)):
        assert label in rule["expr"]


def test_what_needs_somebody_at_once_has_an_alert() -> None:
    asked = " ".join(rule["expr"] for rule in RULES)
    for what in ("forbidden", "unavailable", "argo_events_action_retries_failed_total", "signals_parked", "duration"):
        assert what in asked


def test_every_legend_names_a_label_of_its_series() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"{{(\w+)}}", target["legendFormat"]):
                assert label in re.findall(r"\w+", target["expr"].partition(")")[0]), panel["title"]


def test_the_panels_fill_the_dashboard_without_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_component_adds_the_dashboard_and_the_alerts(tmp_path: Path) -> None:
    before = build("overlays/argo-events")
    after = with_component("components/monitoring", "overlays/argo-events", tmp_path)
    assert sorted(m["kind"] for m in after if m not in before) == ["ConfigMap", "PrometheusRule"]
    assert [m for m in before if m not in after] == []
    config = find(after, "ConfigMap", "taskgate-dashboard")
    assert json.loads(config["data"]["dashboard.json"]) == DASHBOARD
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
