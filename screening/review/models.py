"""What readers answered, and which further reads are due. A new answer supersedes the last; nothing is overwritten."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from screening.studies.models import Study
from screening.users.models import Site


class Answer(models.TextChoices):
    PRESENT = "present", _("Present")
    ABSENT = "absent", _("Absent")
    UNSURE = "unsure", _("Unsure")
    NOT_ASSESSABLE = "not_assessable", _("Not assessable")


class Kind(models.TextChoices):
    """Why an answer was given. docs/reading.md says which kinds estimate what."""

    FIRST = "first", _("First opinion")
    SAMPLED = "sampled", _("First opinion on a study of the random sample")
    SECOND_RANDOM = "second_random", _("Second opinion, drawn at random")
    SECOND_TARGETED = "second_targeted", _("Second opinion, asked for by a rule")
    ADJUDICATION = "adjudication", _("Decision between two opinions")
    AFTER_UNBLINDING = "after_unblinding", _("Changed after the models' answer was shown")
    CHANGED = "changed", _("Changed by a reader who had seen the models' answer from the start")
    ADDITIONAL = "additional", _("A further opinion that nothing asked for")


OPENING = (Kind.FIRST, Kind.SAMPLED)
SECOND = (Kind.SECOND_RANDOM, Kind.SECOND_TARGETED)


NOT_WITHDRAWN = Q(superseded_by__isnull=True) | ~Q(superseded_by=F("pk"))


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
    box = models.JSONField(null=True, help_text="Where the finding is: a picture, and parts of its columns and rows.")
    flagged = models.BooleanField(help_text="Whether the finding was flagged when the reader answered.")
    kind = models.CharField(
        max_length=16, choices=Kind.choices, default=Kind.ADDITIONAL, db_default=Kind.ADDITIONAL.value
    )
    blinded = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Nothing that comes from a model was open to this reader before this answer.",
    )
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
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="review_kind_is_known"),
        ]
        indexes = [models.Index(fields=["reader", "-created_at"], name="reviews_of_reader")]

    def __str__(self) -> str:
        return f"{self.finding}: {self.answer}"

    @property
    def is_withdrawn(self) -> bool:
        """Whether its reader took it back: it was superseded, and by no other answer."""
        return self.superseded_by_id == self.pk

    @property
    def box_sides(self) -> list[float]:
        """Left, top, width and height of the box; nothing where there is none."""
        return [self.box[side] for side in ("left", "top", "width", "height")] if self.box else []

    @property
    def box_text(self) -> str:
        """The box as forms and pages hold it, in no language; empty where there is none."""
        return " ".join(map(str, (self.box["image"], *self.box_sides))) if self.box else ""


class Stage(models.TextChoices):
    SECOND = "second"
    ADJUDICATION = "adjudication"


class Cause(models.TextChoices):
    """Why another read is due. Readers are not told."""

    RANDOM = "random"
    UNSURE = "unsure"
    DISMISSED = "dismissed"
    DISAGREEMENT = "disagreement"


class ReadState(models.TextChoices):
    WAITING = "waiting"
    DONE = "done"
    WITHDRAWN = "withdrawn"  # a late picture made it a question about fewer pictures than there are


class FurtherRead(models.Model):
    """That another person is to read a study: a second reader, or one who decides between two."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="further_reads")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="further_reads")
    revision = models.PositiveSmallIntegerField(help_text="Of the study, as it was answered first.")
    stage = models.CharField(max_length=12, choices=Stage.choices)
    cause = models.CharField(max_length=12, choices=Cause.choices)
    probability = models.FloatField(null=True, help_text="With which it was drawn; empty: a rule asked for it.")
    state = models.CharField(max_length=10, choices=ReadState.choices, default=ReadState.WAITING)
    first = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.UniqueConstraint(fields=["study", "revision", "stage"], name="one_further_read_per_stage"),
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="stage_is_known"),
            models.CheckConstraint(condition=Q(cause__in=Cause.values), name="cause_is_known"),
            models.CheckConstraint(condition=Q(state__in=ReadState.values), name="read_state_is_known"),
            models.CheckConstraint(
                condition=Q(cause="random", probability__isnull=False)
                | (~Q(cause="random") & Q(probability__isnull=True)),
                name="random_reads_have_a_probability",
            ),
        ]
        indexes = [
            models.Index(fields=["site", "stage", "created_at"], name="reads_waiting", condition=Q(state="waiting"))
        ]

    def __str__(self) -> str:
        return f"{self.stage} of {self.study_id}: {self.state}"


class Claim(models.Model):
    """That a reader has a study open, so that nobody else reads it meanwhile. It ends by the database's clock."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, primary_key=True, related_name="claim")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="claims")
    token = models.UUIDField(default=uuid4, help_text="Of the page that holds it: a page left behind releases nothing.")
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.study_id} by {self.reader_id}"


class Bookmark(models.Model):
    """Where a reader stopped: the study taken last, from which line, and which studies were passed over unanswered."""

    reader = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="bookmark"
    )
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="+")
    line = models.CharField(max_length=8, blank=True, help_text="Of screening.review.order: whose turn it was.")
    passed = models.JSONField(default=list)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.reader_id} at {self.study_id}"
