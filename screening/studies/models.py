"""Patients and studies by pseudonym, and the pictures that belong to them."""

from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ml.vocabulary import PIPELINE, PIPELINES
from screening.uploads.models import Upload
from screening.users.models import Site


class Patient(models.Model):
    """A person as a site's keyed pseudonym."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="patients")
    pseudonym = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "pseudonym"], name="one_patient_per_pseudonym")]

    def __str__(self) -> str:
        return str(self.pk)


class StudyState(models.TextChoices):
    RECEIVING = "receiving"
    SCREENING = "screening"
    READY = "ready"
    INCOMPLETE = "incomplete"  # a picture could not be assessed
    REVIEWED = "reviewed"
    PURGED = "purged"


SHELF = ("site", "state", "completed_at", "id")  # of a tray: one site, one state, in the order of the worklist


class Study(models.Model):
    """What a reader answers about: the pictures of one examination."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="studies")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, null=True, related_name="studies")
    upload = models.ForeignKey(
        Upload, on_delete=models.PROTECT, related_name="studies", help_text="The last upload that brought a picture."
    )
    grouping = models.CharField(
        max_length=140, help_text="uid:<pseudonymous uid>, file:<sha256> or folder:<keyed digest>"
    )
    modality = models.CharField(max_length=8)
    state = models.CharField(max_length=10, choices=StudyState.choices, default=StudyState.RECEIVING)
    revision = models.PositiveSmallIntegerField(default=1, help_text="Goes up when a late picture reopens the study.")
    # 0 again where a flag came after the answer.
    reviewed_revision = models.PositiveSmallIntegerField(
        default=0, help_text="The last revision that a reader answered."
    )
    flagged = models.BooleanField(default=False)
    not_assessed = models.BooleanField(default=False, help_text="At least one picture has no score.")
    external_id = models.CharField(max_length=120, null=True)  # noqa: DJ001 - NULLs are not equal in the constraint
    reference_label = models.CharField(max_length=40, blank=True)
    change_number = models.PositiveBigIntegerField(default=0, help_text="The site's change number of the last change.")
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at", "pk")
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(
                fields=["site", "grouping"], condition=~Q(state="purged"), name="one_study_per_grouping"
            ),
            models.UniqueConstraint(fields=["site", "external_id"], name="one_study_per_external_id"),
            models.CheckConstraint(condition=Q(state__in=StudyState.values), name="study_state_is_known"),
        ]
        indexes = [
            models.Index(fields=["site", "change_number", "id"], name="studies_by_change"),
            models.Index(fields=["site", "state", "change_number", "id"], name="studies_by_state_and_change"),
            models.Index(
                fields=["site", "change_number", "id"], name="studies_flagged_by_change", condition=Q(flagged=True)
            ),
            # The shelves of the trays: screening/review/trays.py.
            models.Index(fields=SHELF, name="shelves_flagged", condition=Q(flagged=True)),
            models.Index(fields=SHELF, name="shelves_not_assessed", condition=Q(not_assessed=True)),
            models.Index(fields=SHELF, name="shelves_not_flagged", condition=Q(flagged=False) & Q(not_assessed=False)),
            models.Index(
                fields=["upload", "state", "completed_at", "flagged", "not_assessed"], name="shelves_of_upload"
            ),
            models.Index(fields=["site", "-created_at"], name="studies_of_site"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Sample(models.Model):
    """That a complete study took part in a random draw of its site, with which probability, and whether it was drawn.

    What is drawn is read blinded. A row stays as it was written: it weighs what readers answer.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="samples")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="samples")
    revision = models.PositiveSmallIntegerField(help_text="Of the study: which pictures had been judged.")
    flagged = models.BooleanField(help_text="Whether the study was flagged when it was drawn from.")
    probability = models.FloatField(help_text="With which it could be drawn; above 0.")
    drawn = models.BooleanField()
    open_before = models.BooleanField(
        default=False, db_default=False, help_text="The study was complete earlier, and may have stood open since."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.UniqueConstraint(fields=["study", "revision"], name="one_draw_per_revision"),
            models.CheckConstraint(
                condition=Q(probability__gt=0.0) & Q(probability__lte=1.0), name="sample_has_a_probability"
            ),
        ]
        indexes = [models.Index(fields=["site", "created_at"], name="samples_drawn", condition=Q(drawn=True))]

    def __str__(self) -> str:
        return f"{self.study_id}: {'drawn' if self.drawn else 'not drawn'}"


class Image(models.Model):
    """One picture: a frame of one file of one site."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="images")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="images")
    sha256 = models.CharField(max_length=64, help_text="Of the file as it was sent.")
    frame = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=8, help_text="dicom, png or jpeg")
    source_name = models.CharField(max_length=16, help_text="Name of the kept source in the blob folder.")
    modality = models.CharField(max_length=8)
    view = models.CharField(max_length=12, blank=True)
    rows = models.PositiveIntegerField()
    columns = models.PositiveIntegerField()
    notes = models.JSONField(default=list)
    not_assessed = models.CharField(
        max_length=32, blank=True, help_text="A value of ml.vocabulary.NotAssessed, or empty."
    )
    series_uid = models.CharField(max_length=64, blank=True)
    instance_uid = models.CharField(max_length=64, null=True)  # noqa: DJ001 - NULLs are not equal in the constraint
    position = models.FloatField(null=True, help_text="Millimetres along the slice normal.")
    pixels_sha256 = models.CharField(max_length=64)
    plane_sha256 = models.CharField(max_length=64)
    pipeline = models.CharField(max_length=24)
    facts = models.JSONField(default=dict, help_text="Header facts that identify nobody.")
    timings = models.JSONField(default=dict, help_text="Milliseconds.")
    created_at = models.DateTimeField(default=timezone.now)
    asked_correction = models.CharField(
        max_length=12, blank=True, default="", db_default="", help_text="What a reader asked for and is not made yet."
    )
    corrects = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, related_name="corrections", help_text="The picture as it was sent."
    )
    superseded = models.BooleanField(
        default=False, db_default=False, help_text="A corrected picture stands in its place; it counts in no judgement."
    )

    class Meta:
        ordering = ("study", "series_uid", "position", "sha256", "frame")
        constraints = [
            models.UniqueConstraint(fields=["site", "sha256", "frame"], name="one_image_per_frame"),
            models.UniqueConstraint(fields=["site", "instance_uid", "frame"], name="one_image_per_instance"),
        ]
        indexes = [
            models.Index(fields=["study", "series_uid", "position"], name="images_of_study"),
            models.Index(fields=["id"], name="corrections_asked", condition=~Q(asked_correction="")),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def pipeline_now(self) -> str:
        """The pipeline under which models are asked about it now: its own, unless that is one of the past."""
        return self.pipeline if self.pipeline in PIPELINES else PIPELINE


class SiteChange(models.Model):
    """A site's change number. Taken last in a transaction, so that numbers appear in commit order."""

    site = models.OneToOneField(Site, on_delete=models.CASCADE, primary_key=True, related_name="change")
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.site_id}: {self.number}"
