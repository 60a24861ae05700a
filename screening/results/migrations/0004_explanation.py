import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Heat maps: where a model looked."""

    dependencies = [
        ("results", "0003_series_uid"),
        ("users", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Explanation",
            fields=[
                ("rank", models.FloatField(default=0.0, help_text="Virtual time; the lowest is served first.")),
                ("lease_token", models.UUIDField(editable=False, null=True)),
                ("lease_until", models.DateTimeField(editable=False, null=True)),
                (
                    "computing",
                    models.BooleanField(
                        default=False, help_text="Whether the worker had begun to compute under this lease."
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0, help_text="How often computing began.")),
                (
                    "alone",
                    models.BooleanField(
                        default=False, help_text="A worker died with this row in its batch: run it alone."
                    ),
                ),
                (
                    "deaths",
                    models.PositiveSmallIntegerField(default=0, help_text="Worker deaths while this row ran alone."),
                ),
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("label", models.CharField(max_length=40)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("leased", "Leased"),
                            ("drawn", "Drawn"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("code", models.CharField(blank=True, help_text="Why there is no map.", max_length=40)),
                (
                    "key",
                    models.CharField(
                        blank=True, help_text="Hash of plane, model, label and method: names files.", max_length=64
                    ),
                ),
                ("method", models.CharField(blank=True, max_length=24)),
                ("field", models.CharField(blank=True, help_text="Version of the central field.", max_length=24)),
                (
                    "outside",
                    models.FloatField(
                        help_text="Part of the heat outside the central field; null: no heat.", null=True
                    ),
                ),
                (
                    "altered",
                    models.JSONField(default=dict, help_text="The label's score with parts of the picture taken away."),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        help_text="Empty: a flag did.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "model_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="explanations",
                        to="results.modelversion",
                    ),
                ),
                (
                    "screening",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="explanations", to="results.screening"
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="explanations", to="users.site"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["model_version", "rank", "id"],
                        name="explanations_waiting",
                    ),
                    models.Index(
                        condition=models.Q(("lease_token__isnull", False)),
                        fields=["lease_token"],
                        name="explanations_leased",
                    ),
                    models.Index(
                        condition=models.Q(("state", "drawn")), fields=["site", "key"], name="explanations_by_key"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("screening", "label"), name="explained_once_per_label"),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["waiting", "leased", "drawn", "failed"])),
                        name="explanation_state_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("lease_token__isnull", False), ("state", "leased")),
                            models.Q(models.Q(("state", "leased"), _negated=True), ("lease_token__isnull", True)),
                            _connector="OR",
                        ),
                        name="explanation_is_leased_under_a_token",
                    ),
                ],
            },
        ),
    ]
