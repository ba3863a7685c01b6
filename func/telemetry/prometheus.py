"""The metrics for a scrape by Prometheus; imported at the first one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry

from func.telemetry.metrics import BOUNDS, CATALOGUE, Metric, Metrics


def scrape(metrics: Metrics, accept: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an answer with all metrics.

    Args:
        metrics: of this process.
        accept: the request's header; empty for Prometheus' text format.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(metrics))
    encode, content_type = choose_encoder(accept)
    return {"content-type": content_type}, encode(registry)


class _Collector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Family]:
        for metric in CATALOGUE:
            yield _histogram(metric, self._metrics) if metric.kind == "histogram" else _numbers(metric, self._metrics)


def _numbers(metric: Metric, metrics: Metrics) -> Family:
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.prometheus, metric.help, labels=metric.labels)
    for labels, value in metrics.numbers(metric).items():
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, metrics: Metrics) -> Family:
    family = HistogramMetricFamily(metric.prometheus, metric.help, labels=metric.labels)
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    for labels, found in metrics.histograms(metric).items():
        family.add_metric(labels, list(zip(bounds, accumulate(found.counts), strict=True)), found.total)
    return family
