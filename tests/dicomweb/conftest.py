"""The ward of the API's tests, and drawn objects by number."""

from tests.api.conftest import ward
from tests.phantoms import dicom_file, radiograph
from tests.stores import stores

__all__ = ["stores", "ward"]


def object_of(number: int, *, study: int | None = None, side: int = 64, **tags: object) -> bytes:
    """A drawn radiograph with identifiers of its own: in its own study, unless one is named."""
    study = number if study is None else study
    named = {
        "SOPInstanceUID": f"1.2.3.4.{number}",
        "SeriesInstanceUID": f"1.2.3.5.{study}",
        "StudyInstanceUID": f"1.2.3.6.{study}",
        "PatientID": f"MRN-{study}",
    }
    return dicom_file(radiograph(side, side - 4, seed=number), **(named | tags))
