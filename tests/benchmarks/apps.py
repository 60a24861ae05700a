"""What people would use instead: the views of the tutorials, on the same trunk, written as those are.

`python -m tests.benchmarks.apps save BUNDLE FILE`, then `predict FILE PORT` or `load FILE PORT`: one Flask view that
calls `predict` for each picture, with the model loaded once, or with four models loaded for each request.
"""

import io
import os
import sys
from pathlib import Path

import keras
import numpy as np
from flask import Flask, request
from PIL import Image

from ml.models import weights as w
from ml.models.architectures import architecture_named
from ml.models.bundle import load_bundle
from ml.models.frozen import filled_trunk


def saved(bundle: Path, place: Path) -> Path:
    """Save a shipped model as one Keras file, as a tutorial keeps its own: 256 gray pixels in, labels out."""
    opened = load_bundle(bundle)
    card, weights = opened.card, w.read_bundle(opened)
    architecture = architecture_named(card.architecture)
    trunk = filled_trunk(architecture, card.input_side, w.trunk_of(weights))
    head = keras.layers.Dense(len(card.labels), activation="softmax")
    model = keras.Model(trunk.input, head(trunk.output))
    head.set_weights([weights[w.HEAD_KERNEL], weights[w.HEAD_BIAS]])
    model.save(place)
    return place


def picture_of(data: bytes, side: int) -> np.ndarray:
    gray = Image.open(io.BytesIO(data)).convert("L").resize((side, side))
    return (np.asarray(gray, np.float32) / 127.5 - 1.0)[None, ..., None]


def app_of(kind: str, place: Path) -> Flask:
    app = Flask(__name__)
    kept = keras.models.load_model(place) if kind == "predict" else None

    @app.get("/")
    def ready() -> str:
        return "ready"

    @app.post("/")
    def screen() -> dict[str, list[list[float]]]:
        data = request.get_data()
        models = [kept] if kept is not None else [keras.models.load_model(place) for _ in range(4)]
        side = int(models[0].input_shape[1])
        return {"scores": [model.predict(picture_of(data, side), verbose=0)[0].tolist() for model in models]}

    return app


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1] == "save":
        saved(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        app_of(sys.argv[1], Path(sys.argv[2])).run(port=int(sys.argv[3]))
