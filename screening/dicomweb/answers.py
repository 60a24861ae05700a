"""What the DICOM JSON model (PS3.18, annex F) asks of our answers, and which of them a client takes."""

from typing import Any, Final

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.access import ApiView
from screening.dicomweb.related import media_type
from screening.errors import ClosedMeanwhile, MetadataPending, StorageFull
from screening.store.errors import StoreAway

JSON: Final = "application/dicom+json"
JSON_TYPES: Final = (JSON, "application/json")
RETRY_SECONDS: Final = {StorageFull: 120, ClosedMeanwhile: 1, MetadataPending: 5, StoreAway: 5}
Tags = dict[str, dict[str, Any]]


def told(vr: str, *values: Any) -> dict[str, Any]:
    """Give an attribute; without values an empty one."""
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


class OurChoice(BaseContentNegotiation):
    """The views look at `Accept` themselves: refusals are JSON whatever a client of pictures accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:  # noqa: ARG002 - the signature is DRF's
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002 - as above
        renderer: BaseRenderer = renderers[0]
        return renderer, renderer.media_type


class DicomwebView(ApiView):
    """The base of every DICOMweb view. Not in the OpenAPI file: PS3.18 describes them."""

    schema = None
    content_negotiation_class = OurChoice

    def handle_exception(self, exc: Exception) -> Response:
        """Say of what passes that it passes: 503 and when to try again, as senders know it."""
        answer = super().handle_exception(exc)
        for kind, seconds in RETRY_SECONDS.items():
            if isinstance(exc, kind):
                answer.status_code = 503
                answer["Retry-After"] = str(seconds)
        return answer


def accepted(request: Request) -> list[tuple[str, dict[str, str]]]:
    """Give the media types that a client takes, as it named them; any where it named none."""
    header = request.headers.get("Accept", "") or "*/*"
    return [media_type(one) for one in header.split(",") if one.strip()]


def require_json(request: Request) -> None:
    """See that the client takes DICOM JSON.

    Raises:
        NotAcceptable: it does not.
    """
    takes = {name for name, _ in accepted(request)}
    if not takes.intersection({*JSON_TYPES, "application/*", "*/*"}):
        raise NotAcceptable("Accept application/dicom+json.")
