"""What two administrators decide together: operating points, and which past studies are held against them."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from screening.results.models import ModelVersion, OperatingPoint
from screening.studies.models import Study
from screening.users.models import Site


class ProposalState(models.TextChoices):
    OPEN = "open", pgettext_lazy("state", "Open")
    APPROVED = "approved", _("Approved")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class PointProposal(models.Model):
    """That an administrator wants another operating point. It applies nowhere until another person approves it.

    Not a row of OperatingPoint: every such row of a site applies, also for a worker of an earlier release.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="point_proposals")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    label = models.CharField(max_length=40)
    value = models.FloatField()
    present = models.FloatField(help_text="The operating point that applied when this one was proposed.")
    reason = models.CharField(max_length=400)
    state = models.CharField(max_length=10, choices=ProposalState.choices, default=ProposalState.OPEN)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    point = models.OneToOneField(OperatingPoint, on_delete=models.PROTECT, null=True, related_name="proposal")

    class Meta:
        ordering = ("-proposed_at", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(value__gt=0.0) & Q(value__lt=1.0), name="proposal_is_between"),
            models.CheckConstraint(condition=Q(state__in=ProposalState.values), name="proposal_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state="approved")
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by")) & Q(point__isnull=False)),
                name="approved_by_somebody_else",
            ),
            models.UniqueConstraint(
                fields=["site", "model_version", "label"], condition=Q(state="open"), name="one_open_proposal_per_label"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.value:.3f}: {self.state}"


class Reflagging(models.Model):
    """That past results of a model version are held against the operating points of now, batch by batch."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="reflaggings")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    thresholds = models.JSONField(help_text="The operating points that the results are held against.")
    since = models.DateTimeField(help_text="Results from then on.")
    until = models.DateTimeField(help_text="When it was asked for: later results stand under these points already.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    reached = models.DateTimeField(null=True, help_text="Results up to this moment are done.")
    reached_id = models.UUIDField(null=True, help_text="Of those of that moment, up to this one.")
    studies = models.PositiveIntegerField(default=0, help_text="Looked at so far.")
    newly_flagged = models.PositiveIntegerField(default=0)
    no_longer_flagged = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-asked_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["site", "model_version"], condition=Q(finished_at__isnull=True), name="one_reflagging_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.model_version_id} since {self.since:%Y-%m-%d}"


class ReplayState(models.TextChoices):
    OPEN = "open", pgettext_lazy("state", "Open")
    SWITCHED = "switched", _("Switched")
    CLOSED = "closed", _("Closed")


class Replay(models.Model):
    """That another version of a model is tried on past studies beside the one that their site screens with."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="replays")
    old = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    new = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=ReplayState.choices, default=ReplayState.OPEN)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    studies = models.ManyToManyField(Study, related_name="+")

    class Meta:
        ordering = ("-asked_at", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ReplayState.values), name="replay_state_is_known"),
            models.CheckConstraint(condition=~Q(old=F("new")), name="replay_of_two_versions"),
            models.CheckConstraint(
                condition=~Q(state="switched") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("asked_by"))),
                name="switched_by_somebody_else",
            ),
            models.UniqueConstraint(
                fields=["site", "new"], condition=Q(state="open"), name="one_open_replay_of_a_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.old_id} to {self.new_id}: {self.state}"
