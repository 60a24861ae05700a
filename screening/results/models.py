"""Models, their operating points, and what they said about each picture."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from screening.leasing import Leased
from screening.studies.models import Image, Study
from screening.uploads.models import Upload
from screening.users.models import Site


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def active(self) -> "ModelVersionQuerySet":
        return self.filter(active=True)


class Standing(models.TextChoices):
    """Whether a version may be chosen, and if not, why."""

    ACTIVE = "active", _("active")
    RETIRED = "retired", _("retired")
    GONE = "gone", _("bundle gone")


class ModelVersion(models.Model):
    """A registered bundle."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    slug = models.CharField(max_length=60)
    version = models.CharField(max_length=20)
    title = models.CharField(max_length=120)
    modality = models.CharField(max_length=8)
    labels = models.JSONField()
    flag_labels = models.JSONField(help_text="Labels that raise a flag at their operating point.")
    card = models.JSONField()
    sha256 = models.CharField(max_length=64, help_text="Hash of the model, checked at each load.")
    folder = models.CharField(max_length=200, help_text="Relative to the model root.")
    active = models.BooleanField(default=True, help_text="Whether it may be chosen: screening/results/versions.py.")
    registered_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(null=True, help_text="When somebody retired it; empty: nobody did.")
    retired_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        ordering = ("slug", "-registered_at")
        constraints = [models.UniqueConstraint(fields=["slug", "version"], name="one_row_per_version")]

    def __str__(self) -> str:
        return self.name

    @property
    def shortcut(self) -> str:
        """What the card says of a model that was found not to need the lungs; else nothing."""
        told = self.card.get("shortcut") or {}
        return str(told.get("text", "")) if told.get("verdict") == "shortcut likely" else ""

    @property
    def is_default(self) -> bool:
        """Whether it is chosen where nobody names a model; a card that does not say so is of one that is."""
        return self.card.get("default", True) is True

    @property
    def name(self) -> str:
        return f"{self.slug}@{self.version}"

    @property
    def standing(self) -> Standing:
        """Whether it may be chosen. One that somebody retired stays so, wherever its bundle is."""
        if self.active:
            return Standing.ACTIVE
        return Standing.RETIRED if self.retired_at else Standing.GONE


class OperatingPoint(models.Model):
    """The threshold of a label of a model version: at a site, or as shipped (no site)."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, null=True, related_name="operating_points")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="operating_points")
    label = models.CharField(max_length=40)
    value = models.FloatField()
    valid_from = models.DateTimeField(default=timezone.now)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ("-valid_from",)
        constraints = [
            models.CheckConstraint(condition=Q(value__range=(0.0, 1.0)), name="operating_point_is_a_score"),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.value:.3f}"


class SiteVersion(models.Model):
    """Which version of a model a site screens with, where nobody names one. The newest row of a slug applies.

    A site without one takes the newest version that is registered.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="model_choices")
    slug = models.CharField(max_length=60)
    version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    valid_from = models.DateTimeField(default=timezone.now)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: kept as it was.",
    )

    class Meta:
        ordering = ("-valid_from", "-pk")
        indexes = [models.Index(fields=["site", "slug", "-valid_from"], name="versions_of_site")]

    def __str__(self) -> str:
        return f"{self.site_id}: {self.version_id}"


class ScreeningState(models.TextChoices):
    WAITING = "waiting"
    LEASED = "leased"
    SCORED = "scored"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"


PENDING = (ScreeningState.WAITING, ScreeningState.LEASED)
NOT_ASSESSED = (ScreeningState.INCONCLUSIVE, ScreeningState.FAILED, ScreeningState.QUARANTINED)


class CountingScreenings(models.Manager["Screening"]):
    """The screenings that count. What another version only tries in a replay is no result of anything."""

    def get_queryset(self) -> models.QuerySet["Screening"]:
        return super().get_queryset().filter(trial=False)


class Screening(Leased):
    """One model version on one picture: the leased unit of work, and its result.

    `Screening.objects` leaves trials out, so that no page, count or flag meets one; workers, purges and checks of the
    whole table ask `Screening.with_trials`.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="screenings")
    upload = models.ForeignKey(
        Upload, on_delete=models.PROTECT, related_name="screenings", help_text="The upload that asked for it."
    )
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="screenings")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="screenings")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="screenings")
    pipeline = models.CharField(max_length=24)
    state = models.CharField(max_length=12, choices=ScreeningState.choices, default=ScreeningState.WAITING)
    code = models.CharField(max_length=40, blank=True)
    scores = models.JSONField(default=dict)
    thresholds = models.JSONField(default=dict, help_text="The operating points that applied.")
    flagged = models.BooleanField(default=False)
    distance = models.FloatField(null=True, help_text="Out-of-distribution distance, in the model's own units.")
    model_sha256 = models.CharField(max_length=64, blank=True)
    runtime = models.CharField(max_length=24, blank=True)
    precision = models.CharField(max_length=12, blank=True)
    timings = models.JSONField(default=dict, help_text="Milliseconds, of the batch and its size.")
    trial = models.BooleanField(
        default=False, db_default=False, help_text="Made for a replay: its scores are kept, and flag nothing."
    )
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    objects = CountingScreenings()
    with_trials = models.Manager["Screening"]()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["image", "model_version", "pipeline"],
                condition=Q(trial=False),
                name="screened_once_per_pipeline",
            ),
            models.UniqueConstraint(
                fields=["image", "model_version", "pipeline"], condition=Q(trial=True), name="tried_once_per_pipeline"
            ),
            models.CheckConstraint(condition=Q(state__in=ScreeningState.values), name="screening_state_is_known"),
            models.CheckConstraint(
                condition=Q(state="leased", lease_token__isnull=False)
                | (~Q(state="leased") & Q(lease_token__isnull=True)),
                name="screening_is_leased_under_a_token",
            ),
        ]
        indexes = [
            models.Index(
                fields=["model_version", "rank", "id"], name="screenings_waiting", condition=Q(state="waiting")
            ),
            models.Index(fields=["lease_token"], name="screenings_leased", condition=Q(lease_token__isnull=False)),
            models.Index(fields=["upload", "state"], name="screenings_of_upload"),
            models.Index(fields=["study", "state"], name="screenings_of_study"),
            # What came out lately is asked every few seconds. A row enters it once, with its outcome.
            models.Index(
                fields=["state", "model_version", "done_at"],
                name="screenings_done",
                condition=Q(done_at__isnull=False),
            ),
            # What a model said at a site in a period: pages of thresholds and numbers.
            models.Index(
                fields=["site", "model_version", "done_at", "id"],
                name="screenings_done_at_site",
                condition=Q(done_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"


class ExplanationState(models.TextChoices):
    WAITING = "waiting"
    LEASED = "leased"
    DRAWN = "drawn"
    FAILED = "failed"


class Explanation(Leased):
    """Where a model looked for one label of a screening: a heat map, which decides nothing."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="explanations")
    screening = models.ForeignKey(Screening, on_delete=models.PROTECT, related_name="explanations")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="explanations")
    label = models.CharField(max_length=40)
    state = models.CharField(max_length=8, choices=ExplanationState.choices, default=ExplanationState.WAITING)
    code = models.CharField(max_length=40, blank=True, help_text="Why there is no map.")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", help_text="Empty: a flag did."
    )
    key = models.CharField(max_length=64, blank=True, help_text="Hash of plane, model, label and method: names files.")
    method = models.CharField(max_length=24, blank=True)
    field = models.CharField(max_length=24, blank=True, help_text="Version of the central field.")
    outside = models.FloatField(null=True, help_text="Part of the heat outside the central field; null: no heat.")
    altered = models.JSONField(default=dict, help_text="The label's score with parts of the picture taken away.")
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["screening", "label"], name="explained_once_per_label"),
            models.CheckConstraint(condition=Q(state__in=ExplanationState.values), name="explanation_state_is_known"),
            models.CheckConstraint(
                condition=Q(state="leased", lease_token__isnull=False)
                | (~Q(state="leased") & Q(lease_token__isnull=True)),
                name="explanation_is_leased_under_a_token",
            ),
        ]
        indexes = [
            models.Index(
                fields=["model_version", "rank", "id"], name="explanations_waiting", condition=Q(state="waiting")
            ),
            models.Index(fields=["lease_token"], name="explanations_leased", condition=Q(lease_token__isnull=False)),
            models.Index(fields=["site", "key"], name="explanations_by_key", condition=Q(state="drawn")),
            models.Index(fields=["done_at"], name="explanations_failed", condition=Q(state="failed")),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"


class SeriesResult(models.Model):
    """One model version on one CT series: the mean of the top tenth of its slices. Not validated."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="series_results")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    pipeline = models.CharField(max_length=24)
    series_uid = models.CharField(max_length=64, blank=True, help_text="Pseudonymous; empty for plain pictures.")
    outcome = models.CharField(max_length=12, help_text="scored or inconclusive")
    code = models.CharField(max_length=40, blank=True)
    slices = models.PositiveIntegerField()
    scores = models.JSONField(default=dict)
    thresholds = models.JSONField(default=dict)
    flagged = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "model_version", "pipeline", "series_uid"], name="one_result_per_series_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.study_id} {self.outcome}"
