"""The model behind BentoML: `bentoml serve tests.benchmarks.bentoing:Screen`, with the variables of `served`."""

import bentoml
import numpy as np
from PIL.Image import Image

from ml.images.plane import make_plane
from tests.benchmarks.served import PATIENCE, batch_size, loaded, told, workers


@bentoml.service(workers=workers(), traffic={"timeout": PATIENCE})
class Screen:
    def __init__(self) -> None:
        self.scorer = loaded()

    @bentoml.api(batchable=True, max_batch_size=batch_size(), max_latency_ms=PATIENCE * 1000)
    def screen(self, pictures: list[Image]) -> list[dict]:
        grays = (np.asarray(picture.convert("L")) for picture in pictures)
        return [told(outcome) for outcome in self.scorer.score([make_plane(gray).tobytes() for gray in grays])]
