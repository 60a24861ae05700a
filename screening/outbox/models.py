"""What is to be told outside: written in the transaction of what it tells, so that nothing is told of what never was.

A delivery is one event for one endpoint, a letter is one e-mail for one person. Workers lease both.
"""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from screening.leasing import Leased
from screening.users.models import Site


class EventKind(models.TextChoices):
    """What an endpoint can be told."""

    UPLOAD_FINISHED = "upload.finished", _("Every file of an upload has its outcome")
    STUDY_READY = "study.ready", _("Every picture of a study was screened, or could not be assessed")
    STUDY_CHANGED = "study.changed", _("Anything of a study changed: the busiest one")
    STUDY_REVIEWED = "study.reviewed", _("A reader answered")
    TEST = "webhook.test", _("Nothing happened: somebody tries the endpoint")


STUDY_KINDS = (EventKind.STUDY_READY, EventKind.STUDY_CHANGED, EventKind.STUDY_REVIEWED)
CHOSEN_KINDS = (EventKind.UPLOAD_FINISHED, *STUDY_KINDS)  # what an endpoint is told of by itself


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    def kept(self) -> "EndpointQuerySet":
        """Endpoints that an administrator has not removed."""
        return self.filter(removed_at__isnull=True)

    def listening(self) -> "EndpointQuerySet":
        """Endpoints that events are written for."""
        return self.kept().filter(disabled_at__isnull=True)


class Endpoint(models.Model):
    """An address of a site's own programs. A removed one stays as a tombstone without its address.

    Its secrets are in no table: they follow from the site's key, this row's identifier and the generation.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="endpoints")
    url = models.CharField(max_length=500, blank=True)
    kinds = models.JSONField(default=list, help_text="Values of EventKind.")
    generation = models.PositiveSmallIntegerField(default=1, help_text="Of the secret; rotating makes the next.")
    previous_until = models.DateTimeField(null=True, help_text="Until then the secret before this one signs as well.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    failing_since = models.DateTimeField(
        null=True, help_text="Of the first failure after the last success, or after hours in which nothing was tried."
    )
    failed_at = models.DateTimeField(null=True, help_text="Of the last failure.")
    resting_until = models.DateTimeField(null=True, help_text="Nothing is sent before, so that failing costs little.")
    delivered_at = models.DateTimeField(null=True, help_text="Of the last success.")
    created_at = models.DateTimeField(default=timezone.now)
    disabled_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ("created_at", "pk")
        indexes = [
            # Asked in every transaction that changes a study.
            models.Index(
                fields=["site"],
                name="endpoints_listening",
                condition=Q(removed_at__isnull=True) & Q(disabled_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)


class SendState(models.TextChoices):
    WAITING = "waiting"
    LEASED = "leased"
    SENT = "sent"
    DEAD = "dead"  # given up; can be sent again by hand


LEASED_WITH_TOKEN = Q(state=SendState.LEASED, lease_token__isnull=False) | (
    ~Q(state=SendState.LEASED) & Q(lease_token__isnull=True)
)


class Sending(Leased):
    """A row that a worker sends: when it may be tried, and what came of it."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    state = models.CharField(max_length=8, choices=SendState.choices, default=SendState.WAITING)
    due_at = models.DateTimeField(null=True, help_text="Not tried before; null: at once.")
    problem = models.CharField(max_length=40, blank=True, help_text="Of the last try: a code, never what was answered.")
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Delivery(Sending):
    """One event for one endpoint. Its identifier is the event's: the same at every try."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=20, choices=EventKind.choices)
    subject = models.UUIDField(help_text="The upload or the study; of a test the endpoint.")
    subject_state = models.CharField(max_length=10)
    change_number = models.PositiveBigIntegerField(
        null=True, help_text="Of a study; null only within the transaction that changes it. 0 for anything else."
    )
    answered = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the last try.")

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(state__in=SendState.values), name="delivery_state_is_known"),
            models.CheckConstraint(condition=LEASED_WITH_TOKEN, name="delivery_is_leased_with_its_token"),
        ]
        indexes = [
            models.Index(fields=["rank", "id"], name="deliveries_waiting", condition=Q(state="waiting")),
            models.Index(fields=["endpoint", "rank"], name="deliveries_of_endpoint", condition=Q(state="waiting")),
            models.Index(fields=["lease_token"], name="deliveries_leased", condition=Q(lease_token__isnull=False)),
            models.Index(fields=["endpoint", "done_at"], name="deliveries_done", condition=Q(done_at__isnull=False)),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="deliveries_newest"),
            models.Index(fields=["done_at"], name="deliveries_old", condition=Q(done_at__isnull=False)),
            models.Index(fields=["subject"], name="deliveries_unnumbered", condition=Q(change_number__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind}"


class LetterKind(models.TextChoices):
    CONFIRM = "confirm"
    UPLOAD_FINISHED = "upload_finished"
    ENDPOINT_DISABLED = "endpoint_disabled"


class Letter(Sending):
    """One e-mail for one person. Its text is made when it is sent, and kept nowhere.

    The subject of a confirmation is the mark of the address that it is for.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="letters")
    kind = models.CharField(max_length=20, choices=LetterKind.choices)
    subject = models.UUIDField(null=True, help_text="The upload or the endpoint.")

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.CheckConstraint(condition=Q(state__in=SendState.values), name="letter_state_is_known"),
            models.CheckConstraint(condition=LEASED_WITH_TOKEN, name="letter_is_leased_with_its_token"),
        ]
        indexes = [
            models.Index(fields=["rank", "id"], name="letters_waiting", condition=Q(state="waiting")),
            models.Index(fields=["lease_token"], name="letters_leased", condition=Q(lease_token__isnull=False)),
            models.Index(fields=["done_at"], name="letters_old", condition=Q(done_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.kind}"


class MailWish(models.Model):
    """That somebody wants e-mail, and where. Nothing but the confirmation is sent before it is confirmed."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_wish")
    address = models.EmailField()
    uploads = models.BooleanField(default=True, help_text="When an upload of one's own is finished.")
    confirmed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"mail for {self.user_id}"
