"""The OpenVINO runtime: the same graph as TensorFlow's, compiled for processors. Needs the extra `openvino`."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.models import weights as w
from ml.models.architectures import Architecture
from ml.models.frozen import Compute, FrozenGraph, Tensor, filled_trunk, input_stage
from ml.models.precision import BF16
from ml.vocabulary import PLANE_SIDE


class OpenVinoGraph(FrozenGraph):
    """A bundle's trunk in OpenVINO, then the same products of matrices.

    Batches are not filled up: OpenVINO compiles for batches of any size.
    """

    name = "openvino"

    def _compiled(self, architecture: Architecture, side: int, weights: w.Weights) -> tuple[Compute, int]:
        import tensorflow as tf  # noqa: PLC0415

        trunk, prepare = filled_trunk(architecture, side, weights), input_stage(architecture, side)

        @tf.function(input_signature=[tf.TensorSpec((None, PLANE_SIDE, PLANE_SIDE), tf.uint8)])  # type: ignore[untyped-decorator]
        def features(planes: Tensor) -> Tensor:
            return trunk(prepare(planes), training=False)

        # Left to itself OpenVINO computes in bfloat16 wherever the processor can.
        hint = {"INFERENCE_PRECISION_HINT": "bf16" if self.precision == BF16 else "f32"}
        openvino = _openvino()
        model = openvino.Core().compile_model(openvino.convert_model(features), "CPU", hint)

        def compute(planes: NDArray[np.uint8]) -> NDArray[np.float32]:
            # A request of its own for each call: two hands may compute at once. The answer is the request's memory.
            given: NDArray[np.float32] = model.create_infer_request().infer([planes], share_inputs=True)[0]
            return np.array(given, np.float32)

        return compute, int(trunk.output_shape[-1])


def _openvino() -> Any:
    """Import OpenVINO so that it tells nobody about its use.

    Its converter reports to its makers through a package of its own; where that cannot be imported, it takes an empty
    one instead.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino  # noqa: PLC0415 - only once the line above holds

    return openvino
