"""Routes of the people who send pictures."""

from django.urls import path

from screening.desk import failure_views, header_views, quick_views, table_views, views

app_name = "desk"
urlpatterns = [
    path("upload/", views.upload, name="upload"),
    path("uploads/", views.uploads, name="uploads"),
    path("uploads/<uuid:upload_id>/", views.detail, name="detail"),
    path("uploads/<uuid:upload_id>/progress/", views.progress, name="progress"),
    path("uploads/<uuid:upload_id>/receipt/", views.receipt, name="receipt"),
    path("uploads/<uuid:upload_id>/failures.csv", failure_views.failures, name="failures"),
    path("uploads/<uuid:upload_id>/deidentification/", header_views.deidentification, name="deidentification"),
    path("uploads/<uuid:upload_id>/seal/", views.seal, name="seal"),
    path("uploads/<uuid:upload_id>/cancel/", views.cancel, name="cancel"),
    path("uploads/<uuid:upload_id>/retry/", views.retry, name="retry"),
    path("uploads/<uuid:upload_id>/screenings/", views.rescreen, name="rescreen"),
    path("uploads/<uuid:upload_id>/references/", table_views.references, name="references"),
    path("uploads/<uuid:upload_id>/purge/", views.purge, name="purge"),
    path("quick/", quick_views.quick, name="quick"),
    path("quick/<uuid:upload_id>/", quick_views.verdict, name="verdict"),
]
