"""What was offered, and what became of it."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from screening.leasing import Leased
from screening.users.models import Site


class UploadState(models.TextChoices):
    OPEN = "open", pgettext_lazy("state", "Open")
    SEALED = "sealed", _("Sealed")
    FINISHED = "finished", _("Finished")
    CANCELLED = "cancelled", _("Cancelled")


class ItemState(models.TextChoices):
    EXPECTED = "expected", _("Expected")
    RECEIVED = "received", _("Received")
    DECODING = "decoding", _("Decoding")  # leased by an ingest worker; counted as received
    ACCEPTED = "accepted", _("Accepted")
    DUPLICATE = "duplicate", _("Duplicate")
    REJECTED = "rejected", _("Rejected")
    FAILED = "failed", _("Failed")
    NOT_SENT = "not_sent", _("Not Sent")
    CANCELLED = "cancelled", _("Cancelled")


TERMINAL_ITEMS = (
    ItemState.ACCEPTED,
    ItemState.DUPLICATE,
    ItemState.REJECTED,
    ItemState.FAILED,
    ItemState.NOT_SENT,
    ItemState.CANCELLED,
)
PENDING_ITEMS = (ItemState.EXPECTED, ItemState.RECEIVED, ItemState.DECODING)


class ChosenModality(models.TextChoices):
    AUTO = "auto", _("Tell from the file")
    XRAY = "xray", _("Chest radiographs")
    CT = "ct", _("Chest CT slices")


class Priority(models.TextChoices):
    NORMAL = "normal"
    URGENT = "urgent"


class GroupBy(models.TextChoices):
    AUTO = "auto", _("DICOM by study, pictures one by one")
    FILE = "file", _("Every picture is a study")
    FOLDER = "folder", _("Pictures of a folder are a study")


class Upload(models.Model):
    """One bulk upload: what was chosen for it, and how far it is."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="uploads")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="uploads")
    name = models.CharField(max_length=200, blank=True)
    models_chosen = models.JSONField(default=list, help_text='Names such as "xray-covid-3class@1.0.0".')
    models_asked = models.JSONField(null=True, help_text="As the request named them; null before they were kept.")
    modality = models.CharField(max_length=8, choices=ChosenModality.choices, default=ChosenModality.AUTO)
    priority = models.CharField(max_length=8, choices=Priority.choices, default=Priority.NORMAL)
    group_by = models.CharField(max_length=8, choices=GroupBy.choices, default=GroupBy.AUTO)
    state = models.CharField(max_length=10, choices=UploadState.choices, default=UploadState.OPEN)
    quick = models.BooleanField(default=False, help_text="One picture, answered on the page.")
    intake = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        help_text="Of a sender that opens none: a quiet period seals.",
    )
    corrects = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="corrections",
        help_text="The upload whose failures its files replace.",
    )
    idempotency_key = models.CharField(max_length=120, null=True)  # noqa: DJ001 - NULLs are not equal in the constraint
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now, help_text="Last traffic; an idle upload seals itself.")
    sealed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "pk")
        constraints = [
            models.UniqueConstraint(fields=["site", "created_by", "idempotency_key"], name="one_upload_per_key"),
            models.CheckConstraint(condition=Q(state__in=UploadState.values), name="upload_state_is_known"),
            models.UniqueConstraint(
                fields=["site", "created_by", "intake"],
                condition=Q(state="open") & ~Q(intake=""),
                name="one_open_upload_per_intake",
            ),
        ]
        indexes = [models.Index(fields=["site", "-created_at"], name="uploads_of_site")]

    def __str__(self) -> str:
        return str(self.pk)


class Item(Leased):
    """One path that was offered. Its state is its outcome once it is terminal."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="items")
    archive = models.ForeignKey("uploads.Archive", on_delete=models.CASCADE, null=True, related_name="members")
    path = models.TextField(help_text="Identifying. Shown to the uploading site's staff only.")
    path_digest = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=ItemState.choices, default=ItemState.EXPECTED)
    code = models.CharField(max_length=40, blank=True, help_text="A key of ml.vocabulary.REFUSALS, or empty.")
    duplicate_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="duplicates")
    replaces = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="replacements",
        help_text="The failure of an earlier upload that this file stands for.",
    )
    incoming = models.CharField(max_length=64, blank=True, help_text="Name under incoming/ while the bytes are there.")
    decodes = models.PositiveSmallIntegerField(default=0, help_text="How often a child was started for it.")
    study_id = models.UUIDField(null=True, help_text="The study that its pictures belong to.")
    created_at = models.DateTimeField(default=timezone.now)
    received_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("path", "pk")
        constraints = [
            models.UniqueConstraint(fields=["upload", "path_digest"], name="one_item_per_path"),
            models.CheckConstraint(condition=Q(state__in=ItemState.values), name="item_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=ItemState.DECODING, lease_token__isnull=False)
                | (~Q(state=ItemState.DECODING) & Q(lease_token__isnull=True)),
                name="item_is_leased_while_decoding",
            ),
        ]
        indexes = [
            models.Index(fields=["upload", "state"], name="items_by_state"),
            models.Index(fields=["upload", "sha256"], name="items_by_hash"),
            models.Index(fields=["rank", "id"], name="items_waiting", condition=Q(state="received")),
            models.Index(fields=["lease_token"], name="items_leased", condition=Q(lease_token__isnull=False)),
            # Which item first brought these bytes to a site is asked for every duplicate.
            models.Index(fields=["sha256"], name="items_accepted", condition=Q(state="accepted")),
            models.Index(fields=["study_id"], name="items_of_study", condition=Q(study_id__isnull=False)),
            models.Index(fields=["done_at"], name="items_failed", condition=Q(state="failed")),
            models.Index(fields=["done_at"], name="items_rejected", condition=Q(state="rejected")),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"


class ArchiveState(models.TextChoices):
    RECEIVING = "receiving", _("Receiving")
    RECEIVED = "received", _("Received")
    EXPANDING = "expanding", _("Expanding")
    EXPANDED = "expanded", _("Expanded")
    REJECTED = "rejected", _("Rejected")
    CANCELLED = "cancelled", _("Cancelled")


PENDING_ARCHIVES = (ArchiveState.RECEIVING, ArchiveState.RECEIVED, ArchiveState.EXPANDING)


class Archive(Leased):
    """A zip that arrives in parts. Its members become items."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="archives")
    size = models.PositiveBigIntegerField()
    offset = models.PositiveBigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=ArchiveState.choices, default=ArchiveState.RECEIVING)
    code = models.CharField(max_length=40, blank=True)
    incoming = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.UniqueConstraint(fields=["upload"], condition=Q(state="receiving"), name="one_archive_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"


class Deidentification(models.Model):
    """What became of the headers of some files of an upload: attributes by keyword with counts of files, never values.

    A row for each commit of ingest, so that two workers never wait for each other; a report adds them up.
    """

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="deidentifications")
    kinds = models.JSONField(default=dict, help_text="Files by kind: dicom, png, jpeg.")
    kept = models.JSONField(default=dict)
    changed = models.JSONField(default=dict)
    removed = models.JSONField(default=dict)
    methods = models.JSONField(default=dict, help_text="Files by DICOM's code of what was applied.")

    def __str__(self) -> str:
        return str(self.pk)


class Reference(models.Model):
    """One row of a side table: an opaque identifier and a reference label for a path."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="references")
    path_digest = models.CharField(max_length=64)
    external_id = models.CharField(max_length=120, blank=True)
    label = models.CharField(
        max_length=40, blank=True, help_text="Reference truth; hidden from readers until they decided."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["upload", "path_digest"], name="one_reference_per_path")]

    def __str__(self) -> str:
        return str(self.pk)
