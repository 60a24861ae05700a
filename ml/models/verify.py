"""Ask a bundle questions with known answers."""

import numpy as np

from ml.models.bundle import Bundle
from ml.models.card import BundleError
from ml.models.reference import reference_planes
from ml.models.runtime import Runtime, open_runtime


def verify(bundle: Bundle) -> Runtime:
    """Compute the reference planes and compare with the card; return the runtime that answered.

    Args:
        bundle: Opened by `load_bundle`, so its hashes hold already.

    Raises:
        BundleError: `weights_do_not_fit`, `weights_unreadable`, `architecture_unknown`, or
            `reference_differs` if a score is off by more than the card's tolerance for the precision.
    """
    runtime = open_runtime(bundle)
    largest = largest_difference(bundle, runtime)
    allowed = bundle.card.reference.tolerance[runtime.precision]
    if not largest <= allowed:  # NaN is not
        raise BundleError(
            "reference_differs",
            f"{bundle.card.name} computes reference scores that are off by {largest:.4f}; "
            f"{allowed} is allowed in {runtime.precision}.",
            "Do not use it here. Restore the bundle, or report processor and TensorFlow version.",
        )
    return runtime


def largest_difference(bundle: Bundle, runtime: Runtime) -> float:
    """Return by how much the worst reference score differs from the card.

    Raises:
        BundleError: `reference_missing`, if the card holds none.
    """
    reference = bundle.card.reference
    if not reference.seeds:
        raise BundleError(
            "reference_missing",
            f"The card of {bundle.card.name} holds no reference scores.",
            "Export the bundle again.",
        )
    planes = reference_planes(reference.seeds, bundle.card.modality)
    computed = runtime.run(planes).scores
    expected = np.array(reference.scores)
    if computed.shape != expected.shape:
        raise BundleError(
            "reference_differs",
            f"{bundle.card.name} gives {computed.shape[1]} scores, its card names {expected.shape[1]}.",
            "Restore the bundle.",
        )
    return float(np.abs(computed - expected).max())
