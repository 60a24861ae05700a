"""Samples as Prometheus reads them."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ml.vocabulary import DISCLAIMER
from screening.metrics.catalogue import CATALOGUE, Sample

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class _Measured(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        families = {one.name: GaugeMetricFamily(one.name, one.says, labels=one.labels) for one in CATALOGUE}
        for name, labels, value in self._samples:
            families[name].add_metric(labels, value)
        yield from families.values()


def exposed(samples: Iterable[Sample]) -> bytes:
    """The whole catalogue with these samples; a figure that has none is described all the same."""
    registry = CollectorRegistry()
    registry.register(_Measured(list(samples)))
    return f"# {DISCLAIMER}\n".encode() + generate_latest(registry)
