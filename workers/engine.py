"""Loaded models, one per lane, and the one device that they share."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

import structlog
from django.conf import settings

from ml.inference import Identity, Outcome, load_scorer
from ml.models.card import BundleError
from screening.results.models import ModelVersion

log = structlog.get_logger(__name__)

MOST_LOADED: Final = 4  # each holds its weights and its graph in memory
DEVICE: Final = threading.Lock()  # the next batch loads while this one computes


class Scores(Protocol):
    """What a batch needs of a model: `ml.inference.Scorer` and `NoopScorer` are such."""

    identity: Identity
    batch_size: int

    def score(self, planes: list[bytes | None]) -> list[Outcome]: ...


class ModelUnavailable(Exception):
    """The bundle on disk is not the one that was registered; `code` says what is wrong with it."""

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__(what)


class Engine:
    """The models in memory; the one that was used longest ago makes room for a new one."""

    def __init__(self, *, most: int = MOST_LOADED) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._loaded: OrderedDict[UUID, Scores] = OrderedDict()

    def scorer(self, lane: UUID) -> Scores:
        """The model of a lane: verified against its row and warmed up, at first use.

        Raises:
            ModelUnavailable: bundle or hash are not what was registered; the lane cannot be served.
        """
        with self._lock:
            if lane not in self._loaded:
                self._loaded[lane] = _load(lane)
            self._loaded.move_to_end(lane)
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
            return self._loaded[lane]


def _load(lane: UUID) -> Scores:
    version = ModelVersion.objects.get(pk=lane)
    folder = Path(settings.CONFIG.model_root) / version.folder
    try:
        scorer = load_scorer(folder)
    except BundleError as refusal:
        raise _refusal(version, refusal.code, str(refusal)) from refusal
    if scorer.identity.sha256 != version.sha256:
        raise _refusal(version, "other_model", f"The bundle on disk is not the registered {version.name}.")
    log.info("model_loaded", model=version.name, runtime=scorer.identity.runtime, precision=scorer.identity.precision)
    return scorer


def _refusal(version: ModelVersion, code: str, what: str) -> ModelUnavailable:
    log.error("model_refused", model=version.name, code=code, what=what)
    return ModelUnavailable(code, what)


ENGINE: Final = Engine()
