"""Which metrics and labels an expression of PromQL names."""

from __future__ import annotations

from collections.abc import Mapping, Set

import promql_parser
from promql_parser import AggregateExpr, BinaryExpr, Expr, VectorSelector

from func.telemetry.metrics import CATALOGUE

# https://argoproj.github.io/argo-events/metrics/#argo_events_action_retries_failed_total
_OF_OTHERS = {"argo_events_action_retries_failed_total": {"sensor_name", "trigger_name"}}
_SUFFIXES = {"histogram": {"_bucket": {"le"}, "_sum": set[str](), "_count": set[str]()}}


def known() -> Mapping[str, Set[str]]:
    """Every series that can be asked for, and its labels."""
    ours = {
        f"{metric.prometheus}{suffix}": {*metric.labels, *more}
        for metric in CATALOGUE
        for suffix, more in _SUFFIXES.get(metric.kind, {"": set()}).items()
    }
    return ours | _OF_OTHERS


def unknown(expression: str) -> set[str]:
    """What the expression names and nobody tells.

    Raises:
        ValueError: It is no PromQL.
    """
    # Grafana puts these in.
    parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m").replace("$__range", "1d"))
    found: set[str] = set()
    series: set[str] = set()
    labels: set[str] = set()

    def look(part: Expr) -> None:
        if isinstance(part, VectorSelector):
            name = part.name or ""
            series.add(name)
            if name not in known():
                found.add(name)
            else:
                found.update(each.name for each in part.matchers.matchers if each.name not in known()[name])
        elif isinstance(part, AggregateExpr | BinaryExpr) and part.modifier:
            grouped = part.modifier if isinstance(part, AggregateExpr) else part.modifier.matching
            labels.update(grouped.labels if grouped else ())

    promql_parser.walk(parsed, look)
    # A label to group by has to be one of all series of the expression.
    return found | {label for label in labels if not all(label in known().get(name, {label}) for name in series)}
