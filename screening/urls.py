"""Every route of the service."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("screening.people.urls")),
    path("", include("screening.hooks.urls")),
    path("", include("screening.metrics.urls")),
    path("", include("screening.desk.urls")),
    path("", include("screening.review.urls")),
    path("", include("screening.numbers.urls")),
    path("", include("screening.housekeeping.urls")),
    path("", include("screening.classroom.urls")),
    path("api/v1/", include("screening.api.urls")),
    path("dicomweb/", include("screening.dicomweb.urls")),
]
handler400 = "screening.people.error_pages.bad_request"
handler403 = "screening.people.error_pages.forbidden"
handler404 = "screening.people.error_pages.not_found"
handler500 = "screening.people.error_pages.broken"
