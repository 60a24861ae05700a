"""The models that can be chosen."""

from rest_framework.request import Request
from rest_framework.response import Response

from screening.api.access import SEEING, ApiView
from screening.api.schema import answers, described
from screening.api.shapes.results import ModelsOut
from screening.results.models import ModelVersion


class Models(ApiView):
    """Cards of active versions."""

    reading_scopes = SEEING

    @described(
        operation_id="models_list",
        summary="Cards of the active model versions",
        responses=answers({200: ModelsOut}),
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the signature is DRF's
        return Response(ModelsOut({"results": ModelVersion.objects.active()}).data)
