"""The append-only record of what happened: one hash chain per study, upload and site."""

from django.db import models
from django.db.models import Q


class ChainKind(models.TextChoices):
    """What a chain is about. Its key is `<kind>:<uuid>`."""

    STUDY = "study"
    UPLOAD = "upload"
    SITE = "site"
    CLASS = "class"  # a reading set: who reads, what was answered, when it was revealed


class AuditEvent(models.Model):
    """One thing that happened. Never changed, never deleted: triggers refuse both."""

    chain = models.CharField(max_length=48)
    seq = models.PositiveBigIntegerField()
    site_id = models.UUIDField()
    at = models.DateTimeField()
    action = models.CharField(max_length=48, help_text="subject:action, e.g. study:flagged")
    actor = models.CharField(max_length=60, help_text="user:<id> or service:<name>; never a name")
    detail = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "seq"], name="one_event_per_place"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="seq_starts_at_one"),
        ]
        indexes = [models.Index(fields=["site_id", "at"], name="audit_by_site")]

    def __str__(self) -> str:
        return f"{self.chain} #{self.seq} {self.action}"


class AuditHead(models.Model):
    """The last link of a chain. Locked, in key order, by whoever appends."""

    chain = models.CharField(max_length=48, primary_key=True)
    seq = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.chain} at {self.seq}"
