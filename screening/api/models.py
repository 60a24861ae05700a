"""Requests that named themselves with a key, so that each is done once however often it comes."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class NamedRequest(models.Model):
    """A request under an `Idempotency-Key`, and what it was answered. Kept for a day; without paths or identifiers."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=120)
    fingerprint = models.CharField(max_length=64, help_text="Keyed hash of address and body.")
    status = models.PositiveSmallIntegerField(null=True, help_text="Of the answer; empty while it is being worked on.")
    body = models.JSONField(null=True, help_text="The answer, where it is to be told again.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_request_per_key")]
        indexes = [models.Index(fields=["created_at"], name="named_requests_by_age")]

    def __str__(self) -> str:
        return f"{self.pk}: {self.status}"
