"""Reading sets of a class: which studies, with which truth, who reads them, and what everybody said.

Apart from everything clinical: no row here is a review, and no figure of a site counts one. `triggers.py` repeats in
the database what these tables promise.
"""

from secrets import token_hex
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from screening.results.models import ModelVersion
from screening.studies.models import Study
from screening.uploads.models import Upload
from screening.users.models import Site


class SetState(models.TextChoices):
    DRAFT = "draft", pgettext_lazy("state", "In preparation")
    OPEN = "open", pgettext_lazy("state", "Open")
    REVEALED = "revealed", pgettext_lazy("state", "Revealed")
    DISCARDED = "discarded", pgettext_lazy("state", "Discarded")


CLOSED = (SetState.DRAFT, SetState.OPEN)  # to its readers: nothing of truth or models is shown to them


class Said(models.TextChoices):
    """What a reader of a class answers about a case."""

    PRESENT = "present", _("Present")
    ABSENT = "absent", _("Absent")
    UNSURE = "unsure", _("Unsure")
    NOT_ASSESSABLE = "not_assessable", _("Not assessable")


DECIDED = (Said.PRESENT, Said.ABSENT)


def new_key() -> str:
    """A key for the orders of one set: who does not know it cannot tell another reader's."""
    return token_hex(32)


class ReadingSet(models.Model):
    """One question about some studies of an upload, for the readers of a class."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="reading_sets")
    upload = models.ForeignKey(Upload, on_delete=models.PROTECT, related_name="reading_sets")
    name = models.CharField(max_length=120)
    finding = models.CharField(max_length=40, help_text="What is asked: a label that models raise a flag for.")
    state = models.CharField(max_length=10, choices=SetState.choices, default=SetState.DRAFT)
    rows = models.PositiveIntegerField(default=0, help_text="Of the table of labels that was taken last.")
    problems = models.JSONField(default=list, help_text="Of that table: [line, code]. No path and no value.")
    order_key = models.CharField(max_length=64, default=new_key, editable=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    opened_at = models.DateTimeField(null=True)
    revealed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-made_at", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(state__in=SetState.values), name="set_state_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=("draft", "discarded"), opened_at__isnull=True, revealed_at__isnull=True)
                | Q(state="open", opened_at__isnull=False, revealed_at__isnull=True)
                | Q(state="revealed", opened_at__isnull=False, revealed_at__isnull=False),
                name="set_has_the_moments_of_its_state",
            ),
        ]
        indexes = [models.Index(fields=["site", "-made_at"], name="sets_of_site")]

    def __str__(self) -> str:
        return f"{self.pk} {self.state}"

    @property
    def is_draft(self) -> bool:
        return self.state == SetState.DRAFT

    @property
    def is_open(self) -> bool:
        return self.state == SetState.OPEN

    @property
    def is_revealed(self) -> bool:
        return self.state == SetState.REVEALED


class Seat(models.Model):
    """That somebody reads a set."""

    reading_set = models.ForeignKey(ReadingSet, on_delete=models.PROTECT, related_name="seats")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="seats")
    given_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("reader__username",)
        constraints = [models.UniqueConstraint(fields=["reading_set", "reader"], name="one_seat_per_reader")]

    def __str__(self) -> str:
        return f"{self.reader_id} in {self.reading_set_id}"


class Case(models.Model):
    """A study of a set with its truth. Its number, by which a class talks about it, was drawn."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    reading_set = models.ForeignKey(ReadingSet, on_delete=models.PROTECT, related_name="cases")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="cases")
    number = models.PositiveIntegerField()
    truth = models.CharField(max_length=40, help_text="The label of the teacher's table.")
    present = models.BooleanField(help_text="Whether that is the finding that the set asks about.")

    class Meta:
        ordering = ("reading_set", "number")
        constraints = [
            models.UniqueConstraint(fields=["reading_set", "study"], name="one_case_per_study"),
            models.UniqueConstraint(fields=["reading_set", "number"], name="one_case_per_number"),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class ClassAnswer(models.Model):
    """What a reader said about a case. A later answer has the next number; the latest one stands, none is changed."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="answers")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="class_answers")
    seq = models.PositiveIntegerField()
    answer = models.CharField(max_length=16, choices=Said.choices)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("case", "reader", "seq")
        constraints = [
            models.UniqueConstraint(fields=["case", "reader", "seq"], name="one_class_answer_per_place"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="class_answers_start_at_one"),
            models.CheckConstraint(condition=Q(answer__in=Said.values), name="class_answer_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.answer}"


class ModelAnswer(models.Model):
    """What a model version had said about a case when the set was revealed, at the operating point that applied."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="model_answers")
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="+")
    word = models.CharField(max_length=16, help_text="flagged, not flagged, not assessed or waiting")
    score = models.FloatField(null=True)
    point = models.FloatField(null=True)

    class Meta:
        ordering = ("case", "model_version")
        constraints = [
            models.UniqueConstraint(fields=["case", "model_version"], name="one_model_answer_per_version"),
            models.CheckConstraint(
                condition=Q(word__in=("flagged", "not flagged"), score__isnull=False, point__isnull=False)
                | Q(word__in=("not assessed", "waiting"), score__isnull=True, point__isnull=True),
                name="model_answers_are_scored_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id}: {self.word}"
