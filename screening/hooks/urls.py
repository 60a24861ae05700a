"""Routes of webhooks and of e-mail."""

from django.urls import URLPattern, path

from screening.hooks import mail_pages, pages

app_name = "hooks"
_ONE = "sites/<uuid:site_id>/webhooks/<uuid:endpoint_id>/"
urlpatterns: list[URLPattern] = [
    path("sites/<uuid:site_id>/webhooks/", pages.endpoints, name="endpoints"),
    path(_ONE, pages.endpoint, name="endpoint"),
    path(f"{_ONE}rotate/", pages.rotate, name="rotate"),
    path(f"{_ONE}resume/", pages.resume, name="resume"),
    path(f"{_ONE}again/", pages.send_again, name="again"),
    path(f"{_ONE}remove/", pages.remove, name="remove"),
    path("notifications/", mail_pages.notifications, name="notifications"),
    path("notifications/none/", mail_pages.no_mail, name="no_mail"),
    path("notifications/confirm/<str:token>/", mail_pages.confirm, name="confirm"),
]
