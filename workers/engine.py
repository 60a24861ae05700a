"""Loaded models, one per lane, and the one device that they share."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

import numpy as np
import structlog
from django.conf import settings
from numpy.typing import NDArray

from ml.explain.explainer import Explainer
from ml.inference import DEPARTS, Identity, Outcome, load_scorer
from ml.models.bundle import load_bundle
from ml.models.card import BundleError
from ml.models.first_import import import_tensorflow
from ml.models.runtime import EXACT
from screening.results.models import ModelVersion
from screening.settled import settle
from workers.agreement import end_departed
from workers.choices import chosen, forget
from workers.crew import PROGRESS
from workers.device import DEVICE
from workers.reporting import report

log = structlog.get_logger(__name__)

MOST_LOADED: Final = 4  # each holds its weights and its graph in memory
MOST_EXPLAINED: Final = 2  # as above, with the gradients' graph; needed far less often
PATIENCE: Final = 600.0  # seconds for which a hand that waits for a model counts as getting on

Model = TypeVar("Model")


class Scores(Protocol):
    """What a batch needs of a model: `ml.inference.Scorer` and `NoopScorer` are such."""

    identity: Identity
    batch_size: int

    def score(self, planes: list[bytes | None]) -> list[Outcome]: ...

    def departs(self, turn: int | None = None) -> str: ...

    def scores_of(self, planes: NDArray[np.uint8], label: str) -> list[float]: ...


class ModelUnavailable(Exception):
    """The bundle on disk is not the one that was registered; `code` says what is wrong with it."""

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__(what)


class Shelf(Generic[Model]):
    """Some models in memory; the one that was used longest ago makes room for a new one."""

    def __init__(self, load: Callable[[UUID], Model], *, most: int) -> None:
        self._load = load
        self._most = most
        self._lock = threading.Lock()
        self._loaded: OrderedDict[UUID, Model] = OrderedDict()
        self._loading: dict[UUID, threading.Lock] = {}

    @property
    def models(self) -> list[Model]:
        """Those in memory."""
        with self._lock:
            return list(self._loaded.values())

    @property
    def several(self) -> bool:
        """Whether more than one model is in memory."""
        return len(self._loaded) > 1

    def get(self, lane: UUID) -> Model:
        """The model of a lane: verified against its row, at first use.

        Raises:
            ModelUnavailable: bundle or hash are not what was registered; the lane cannot be served.
        """
        with self._lock:
            loading = self._loading.setdefault(lane, threading.Lock())
        _wait_for(loading)  # of this lane alone: others do not wait for a model that they do not need
        try:
            model = self._loaded.get(lane) or self._load(lane)
        finally:
            loading.release()
        with self._lock:
            self._loaded[lane] = model
            self._loaded.move_to_end(lane)
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        return model


def _wait_for(loading: threading.Lock) -> None:
    """Wait while another hand loads the same model, which may have to be measured: that is no standstill."""
    deadline = time.monotonic() + PATIENCE
    while not loading.acquire(timeout=5):
        if time.monotonic() < deadline:
            PROGRESS.note()


def _load_scorer(lane: UUID) -> Scores:
    import_tensorflow(settle)
    version = _version(lane)
    try:
        scorer = _scorer_that_agrees(version)
    except BundleError as refusal:
        raise _refusal(version, refusal.code, str(refusal)) from refusal
    except Exception as problem:
        report("model_not_loaded", problem, model=version.name)
        raise _refusal(version, "not_loaded", f"{version.name} could not be loaded here.") from problem
    _check(version, scorer.identity.sha256)
    log.info("model_loaded", model=version.name, runtime=scorer.identity.runtime, precision=scorer.identity.precision)
    return scorer


def _scorer_that_agrees(version: ModelVersion) -> Scores:
    """Load a model by what is chosen here; as its card was written, if it departs from the card otherwise."""
    folder = _folder(version)
    try:
        return load_scorer(folder, chosen)
    except BundleError as refusal:
        if refusal.code != DEPARTS:
            raise
        with DEVICE:  # it may share a graph with those in memory: where one was spoilt, none can be trusted
            spoilt = [told for told in (one.departs() for one in ENGINE.models) if told]
        if spoilt:
            end_departed(version.name, str(refusal))
        log.warning("way_departs", model=version.name, what=str(refusal), used=str(EXACT))
        forget(folder)
        return load_scorer(folder)


def _load_explainer(lane: UUID) -> Explainer:
    import_tensorflow(settle)
    version = _version(lane)
    try:
        bundle = load_bundle(_folder(version))
        _check(version, bundle.card.model_sha256)
        return Explainer(bundle)
    except BundleError as refusal:
        raise _refusal(version, refusal.code, str(refusal)) from refusal


def _version(lane: UUID) -> ModelVersion:
    return ModelVersion.objects.get(pk=lane)


def _folder(version: ModelVersion) -> Path:
    return Path(settings.CONFIG.model_root) / version.folder


def _check(version: ModelVersion, sha256: str) -> None:
    if sha256 != version.sha256:
        raise _refusal(version, "other_model", f"The bundle on disk is not the registered {version.name}.")


def _refusal(version: ModelVersion, code: str, what: str) -> ModelUnavailable:
    log.error("model_refused", model=version.name, code=code, what=what)
    return ModelUnavailable(code, what)


ENGINE: Final = Shelf(_load_scorer, most=MOST_LOADED)
EXPLAINERS: Final = Shelf(_load_explainer, most=MOST_EXPLAINED)
