"""The OpenVINO runtime: the same graph as TensorFlow's, compiled for processors. Needs the extra `openvino`."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml.models import weights as w
from ml.models.architectures import Architecture
from ml.models.cores import cores, pieces
from ml.models.frozen import Compute, FrozenGraph, Tensor, filled_trunk, input_stage
from ml.models.precision import BF16
from ml.vocabulary import PLANE_SIDE

AHEAD: Final = 2  # pieces for each core: one is computed, the next is ready


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

        # Left to itself OpenVINO computes in bfloat16 wherever the processor can, and a batch with all cores together.
        precision, streams = "bf16" if self.precision == BF16 else "f32", cores()
        hints = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        openvino = _openvino()
        # Weights of its own: TensorFlow lets go of the trunk's when this ends, and gives their memory to others.
        converted = openvino.convert_model(features, share_weights=False)
        model = openvino.Core().compile_model(converted, "CPU", hints)

        def compute(planes: NDArray[np.uint8]) -> NDArray[np.float32]:
            # Requests of its own for each call: two hands may compute at once.
            cut = pieces(planes, streams)
            return _in_turn([model.create_infer_request() for _ in cut[: AHEAD * streams]], cut)

        return compute, int(trunk.output_shape[-1])


def _in_turn(requests: Sequence[Any], cut: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Compute pieces by requests that wait for whichever core is free.

    Nothing of Python is called back: a core's thread would want the interpreter's lock while whoever lets go of a
    model holds it and waits for that thread.
    """
    given: list[NDArray[np.float32]] = []
    try:
        for place in range(len(cut) + len(requests)):
            request = requests[place % len(requests)]
            if place >= len(requests):
                request.wait()
                given.append(np.array(request.get_output_tensor(0).data, np.float32))  # a copy: it is its own memory
            if place < len(cut):
                request.start_async([cut[place]], share_inputs=True)
    finally:  # where one failed, the others still read the planes
        for request in requests:
            with suppress(RuntimeError):
                request.wait()
    return np.concatenate(given)


def _openvino() -> Any:
    """Import OpenVINO so that it tells nobody about its use.

    Its converter reports to its makers through a package of its own; where that cannot be imported, it takes an empty
    one instead.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino  # noqa: PLC0415 - only once the line above holds

    return openvino
