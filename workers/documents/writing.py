"""A document as bytes. What writes them is loaded with this module, which `making` loads with the first document."""

from screening.flows.documents import Kind, Wanted
from workers.documents import capture, fhir, reading, report_sr


def bytes_of(document: Wanted) -> bytes:
    """Read a study and write a document of it."""
    told = reading.read(document.study)
    if document.kind == Kind.REPORT:
        return report_sr.report(told, key=document.key)
    if document.kind == Kind.FHIR:
        return fhir.bundle(told, key=document.key)
    assert document.explanation is not None
    return capture.capture(told, document.explanation, key=document.key)
