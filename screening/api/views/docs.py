"""The OpenAPI file, and a page on which to try it."""

from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView


@extend_schema(exclude=True)
class Schema(SpectacularAPIView):  # type: ignore[misc] # drf-spectacular's views are untyped here
    """The OpenAPI file."""


class Docs(SpectacularSwaggerSplitView):  # type: ignore[misc] # as above
    """The page: no inline script or style, as our content security policy wants it."""

    template_name = "api/docs.html"
    url_name = "api:schema"
