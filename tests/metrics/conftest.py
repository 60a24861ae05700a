from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from screening.metrics.views import KEPT
from screening.results.models import Screening
from tests.factories import ModelVersionFactory, ScreeningFactory

TOKEN = "a-token-of-the-metrics-0123456789"


@pytest.fixture
def watched(settings) -> Iterator[None]:
    """A service whose operator named a token, with nothing measured yet."""
    settings.CONFIG = replace(settings.CONFIG, metrics_token=TOKEN, batch_size=32)
    KEPT.forget()
    yield
    KEPT.forget()


@dataclass(frozen=True)
class Told:
    """What /metrics told: values by name and labels."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def of(self, name: str, **labels: str) -> float | None:
        return self.values.get((name, frozenset(labels.items())))

    def all_of(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a figure by the values of its labels, in the order of their names."""
        return {
            tuple(value for _, value in sorted(labels)): value
            for (known, labels), value in self.values.items()
            if known == name
        }


def scrape(client: Client | None = None, token: str = TOKEN, **headers: str) -> HttpResponse:
    return (client or Client()).get("/metrics", headers={"Authorization": f"Bearer {token}", **headers})


def told() -> Told:
    """Measure anew and read the answer as Prometheus does."""
    KEPT.forget()
    answer = scrape()
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return Told({(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples})


def batch(size: int, at: datetime, *, written: int | None = None, **changes: Any) -> list[Screening]:
    """Pictures of one batch, scored at a moment: 64 ms on the device for each, 2 ms to load."""
    timings = {"batch": float(size), "model_ms": 64.0 * size, "load_ms": 2.0 * size}
    version = changes.pop("model_version", None) or ModelVersionFactory()
    return ScreeningFactory.create_batch(
        written or size, **{"scored": True, "model_version": version, "timings": timings, "done_at": at, **changes}
    )


def ago(now: datetime, seconds: float) -> datetime:
    return now - timedelta(seconds=seconds)
