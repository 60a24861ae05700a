"""What readers answered. A new answer supersedes the last one; nothing is overwritten."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from screening.studies.models import Study


class Answer(models.TextChoices):
    PRESENT = "present", "Present"
    ABSENT = "absent", "Absent"
    UNSURE = "unsure", "Unsure"
    NOT_ASSESSABLE = "not_assessable", "Not assessable"


class Review(models.Model):
    """A reader's answer about one finding of one study, at one revision of it."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="reviews")
    revision = models.PositiveSmallIntegerField(help_text="Of the study: which pictures the answer covers.")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    finding = models.CharField(max_length=40)
    answer = models.CharField(max_length=16, choices=Answer.choices)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is not assessable.")
    comment = models.TextField(blank=True, max_length=4000)
    flagged = models.BooleanField(help_text="Whether the finding was flagged when the reader answered.")
    superseded_by = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="supersedes")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-created_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["study", "finding", "reader"],
                condition=Q(superseded_by__isnull=True),
                name="one_standing_answer_per_reader",
            ),
            models.CheckConstraint(condition=Q(answer__in=Answer.values), name="answer_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.finding}: {self.answer}"
