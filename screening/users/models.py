"""People, the sites they belong to, and what lets them in."""

from secrets import token_hex
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from knox.models import AbstractAuthToken


class Role(models.TextChoices):
    """What somebody does at a site. A user holds one role per site."""

    STAFF = "staff", _("Staff")
    REVIEWER = "reviewer", _("Reviewer")
    INTEGRATOR = "integrator", _("Integrator")
    ADMIN = "admin", _("Administrator")


class User(AbstractUser):
    """A person, or the program of one. Belongs to sites through memberships."""

    language = models.CharField(
        max_length=12, blank=True, default="", db_default="", help_text="Of pages and letters; empty: the browser's."
    )

    class Meta:
        ordering = ("username",)


class Reads(models.TextChoices):
    """Who reads what was not flagged."""

    ALL = "read_all", _("Every study")
    FLAGGED_AND_SAMPLE = (
        "read_flagged_and_sample",
        _("What is flagged or not assessed, and a random sample of the rest"),
    )


class SiteQuerySet(models.QuerySet["Site"]):
    def of(self, user: "User") -> "SiteQuerySet":
        """Sites that the user belongs to."""
        return self.filter(memberships__user_id=user.pk)


def new_draw_key() -> str:
    """A key for the random draws of one site: who does not know it cannot tell what will be drawn."""
    return token_hex(32)


def share(help_text: str) -> "models.FloatField[float, float]":
    """A column of a policy: how much of something, from 0 to 1."""
    return models.FloatField(default=0.0, db_default=0.0, help_text=help_text)


SHARES = ("sample_share", "mixed_share", "second_share")


class Site(models.Model):
    """The tenant: a hospital, a ward or a class. Everything hangs off a site."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    name = models.CharField(max_length=120, unique=True)
    hold_burned_in = models.BooleanField(
        default=False, help_text="Keep pictures that may carry burned-in text from being screened."
    )
    mask_text = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Fill what seems to be burned-in text with black before a picture is kept.",
    )
    failed_days = models.PositiveSmallIntegerField(
        default=7, help_text="Days that the bytes of failed files are kept for a retry."
    )
    study_days = models.PositiveSmallIntegerField(
        null=True, help_text="Days after which a study that is complete is deleted; empty: never."
    )
    keep_unread = models.BooleanField(
        default=True, db_default=True, help_text="Keep a study that waits for a reader, however old it is."
    )
    blinded_since = models.DateTimeField(
        null=True, help_text="Since when reviewers see nothing of the models before their first answer; empty: they do."
    )
    sample_share = share("Of the studies that are not flagged: drawn at random to be read.")
    mixed_share = share("Of the flagged studies: read blinded among those, where the site itself is not blinded.")
    second_share = share("Of the studies that were answered: drawn at random for a second reader.")
    second_when_unsure = models.BooleanField(
        default=False, db_default=False, help_text="A second reader, where the first was unsure."
    )
    second_dismissed_from = models.FloatField(
        null=True, help_text="A second reader, where a flag with a score from here on was answered absent."
    )
    draw_key = models.CharField(
        max_length=64, default=new_draw_key, db_default="", editable=False, help_text="Of the random draws."
    )
    flagged_hours = models.PositiveSmallIntegerField(
        default=4, db_default=4, help_text="Hours until a study that is flagged or not assessed is to be read."
    )
    rest_hours = models.PositiveSmallIntegerField(
        default=48, db_default=48, help_text="Hours until any other study is to be read."
    )
    reads = models.CharField(
        max_length=24, choices=Reads.choices, default=Reads.ALL, db_default=Reads.ALL.value, help_text="What is read."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SiteQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(condition=Q(reads__in=Reads.values), name="reads_is_known"),
            *(
                models.CheckConstraint(condition=Q(**{f"{name}__range": (0.0, 1.0)}), name=f"{name}_is_a_share")
                for name in SHARES
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's role at a site."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "site"], name="one_role_per_site"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} at {self.site_id}"


class OneTimeLink(models.Model):
    """A link that signs somebody in or invites them, once. Only its hash is stored."""

    class Kind(models.TextChoices):
        SIGN_IN = "sign_in"
        INVITATION = "invitation"

    kind = models.CharField(max_length=12, choices=Kind.choices)
    digest = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    site = models.ForeignKey(Site, on_delete=models.CASCADE, null=True, related_name="+")
    role = models.CharField(max_length=12, choices=Role.choices, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.kind} link {self.pk}"


class DisclaimerAcceptance(models.Model):
    """That a person accepted a version of the disclaimer, and when."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="acceptances")
    version = models.CharField(max_length=12)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "version"], name="accepted_once_per_version")]

    def __str__(self) -> str:
        return f"version {self.version} by {self.user_id}"


class Scope(models.TextChoices):
    """What a token may do."""

    READ = "read", _("Read results")
    UPLOAD = "upload", _("Upload files and read receipts")
    REVIEW = "review", _("Record reviews")
    WEBHOOKS = "webhooks", _("Manage webhooks of the site")


class ApiToken(AbstractAuthToken):
    """A hashed, expiring token of one user at one site, with scopes."""

    name = models.CharField(max_length=80)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="tokens")
    scopes = models.JSONField(default=list)
    disclaimer_version = models.CharField(max_length=12)

    def __str__(self) -> str:
        return f"{self.name} ({self.token_key})"
