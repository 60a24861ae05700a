"""Routes of the REST API, version 1."""

from django.urls import URLPattern, path

from screening.api.views import (
    docs,
    documents,
    exports,
    heat,
    models,
    receipts,
    sending,
    studies,
    study_parts,
    uploads,
    webhooks,
)

ONE_UPLOAD = "uploads/<uuid:upload_id>/"
ONE_STUDY = "studies/<uuid:study_id>/"
ONE_WEBHOOK = "webhooks/<uuid:webhook_id>/"

app_name = "api"
urlpatterns: list[URLPattern] = [
    path("uploads/", uploads.Uploads.as_view(), name="uploads"),
    path(ONE_UPLOAD, uploads.OneUpload.as_view(), name="upload"),
    path(f"{ONE_UPLOAD}check/", sending.Check.as_view(), name="check"),
    path(f"{ONE_UPLOAD}files/", sending.Files.as_view(), name="files"),
    path(f"{ONE_UPLOAD}archive/", sending.ArchiveParts.as_view(), name="archive"),
    path(f"{ONE_UPLOAD}seal/", uploads.Seal.as_view(), name="seal"),
    path(f"{ONE_UPLOAD}cancel/", uploads.Cancel.as_view(), name="cancel"),
    path(f"{ONE_UPLOAD}retry/", uploads.Retry.as_view(), name="retry"),
    path(f"{ONE_UPLOAD}screenings/", uploads.Screenings.as_view(), name="screenings"),
    path(f"{ONE_UPLOAD}references/", receipts.References.as_view(), name="references"),
    path(f"{ONE_UPLOAD}deidentification/", receipts.Deidentification.as_view(), name="deidentification"),
    path(f"{ONE_UPLOAD}receipt/", receipts.Receipt.as_view(), name="receipt"),
    path(f"{ONE_UPLOAD}receipt.csv", receipts.ReceiptCsv.as_view(), name="receipt_csv"),
    path("studies/", studies.Studies.as_view(), name="studies"),
    path("studies/lookup/", studies.Lookup.as_view(), name="lookup"),
    path("results.csv", exports.ResultsCsv.as_view(), name="results_csv"),
    path("results.ndjson", exports.ResultsNdjson.as_view(), name="results_ndjson"),
    path(ONE_STUDY, study_parts.ReadOrPurge.as_view(), name="study"),
    path(f"{ONE_STUDY}audit/", study_parts.Audit.as_view(), name="audit"),
    path(f"{ONE_STUDY}report.dcm", documents.Report.as_view(), name="report"),
    path(f"{ONE_STUDY}heatmap.dcm", documents.HeatMapCapture.as_view(), name="heat_map_capture"),
    path(f"{ONE_STUDY}fhir/", documents.Fhir.as_view(), name="fhir"),
    path(f"{ONE_STUDY}reviews/", study_parts.Reviews.as_view(), name="reviews"),
    path("images/<uuid:image_id>/preview/", study_parts.Preview.as_view(), name="preview"),
    path("images/<uuid:image_id>/heat-maps/", heat.HeatMaps.as_view(), name="heat_maps"),
    path("heat-maps/<uuid:explanation_id>/raw.png", heat.Raw.as_view(), name="heat_raw"),
    path("heat-maps/<uuid:explanation_id>/overlay.jpg", heat.Overlay.as_view(), name="heat_overlay"),
    path("webhooks/", webhooks.Webhooks.as_view(), name="webhooks"),
    path(ONE_WEBHOOK, webhooks.OneWebhook.as_view(), name="webhook"),
    path(f"{ONE_WEBHOOK}secret/", webhooks.Secret.as_view(), name="webhook_secret"),
    path(f"{ONE_WEBHOOK}deliveries/", webhooks.Deliveries.as_view(), name="webhook_deliveries"),
    path(f"{ONE_WEBHOOK}replay/", webhooks.Replay.as_view(), name="webhook_replay"),
    path(f"{ONE_WEBHOOK}test/", webhooks.Test.as_view(), name="webhook_test"),
    path("models/", models.Models.as_view(), name="models"),
    path("schema/", docs.Schema.as_view(), name="schema"),
    path("docs/", docs.Docs.as_view(), name="docs"),
]
