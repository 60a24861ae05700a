import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Proposals of operating points, which apply only once another person approved them, and the setting of past flags."""

    initial = True

    dependencies = [
        ("results", "0006_done_at_site"),
        ("users", "0002_site_mask_text"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PointProposal",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("label", models.CharField(max_length=40)),
                ("value", models.FloatField()),
                (
                    "present",
                    models.FloatField(help_text="The operating point that applied when this one was proposed."),
                ),
                ("reason", models.CharField(max_length=400)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("proposed_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "model_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="results.modelversion"
                    ),
                ),
                (
                    "point",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proposal",
                        to="results.operatingpoint",
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="point_proposals", to="users.site"
                    ),
                ),
            ],
            options={
                "ordering": ("-proposed_at", "pk"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("value__gt", 0.0), ("value__lt", 1.0)), name="proposal_is_between"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["open", "approved", "declined", "withdrawn"])),
                        name="proposal_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "approved"), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(("decided_by", models.F("proposed_by")), _negated=True),
                                ("point__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="approved_by_somebody_else",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("site", "model_version", "label"),
                        name="one_open_proposal_per_label",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Reflagging",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("thresholds", models.JSONField(help_text="The operating points that the results are held against.")),
                ("since", models.DateTimeField(help_text="Results from then on.")),
                (
                    "until",
                    models.DateTimeField(
                        help_text="When it was asked for: later results stand under these points already."
                    ),
                ),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("reached", models.DateTimeField(help_text="Results up to this moment are done.", null=True)),
                ("reached_id", models.UUIDField(help_text="Of those of that moment, up to this one.", null=True)),
                ("studies", models.PositiveIntegerField(default=0, help_text="Looked at so far.")),
                ("newly_flagged", models.PositiveIntegerField(default=0)),
                ("no_longer_flagged", models.PositiveIntegerField(default=0)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "model_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="results.modelversion"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="reflaggings", to="users.site"
                    ),
                ),
            ],
            options={
                "ordering": ("-asked_at", "pk"),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at__isnull", True)),
                        fields=("site", "model_version"),
                        name="one_reflagging_at_a_time",
                    )
                ],
            },
        ),
    ]
