import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """Keep with which probability a study was drawn to be read: what readers answer is weighed by it.

    Studies that were complete before took part in no draw and have no row.
    """

    dependencies = [
        ("studies", "0004_shelves_replace_two_indexes"),
        ("users", "0003_site_reading_policy"),
    ]

    operations = [
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "revision",
                    models.PositiveSmallIntegerField(help_text="Of the study: which pictures had been judged."),
                ),
                ("flagged", models.BooleanField(help_text="Whether the study was flagged when it was drawn from.")),
                ("probability", models.FloatField(help_text="With which it could be drawn; above 0.")),
                ("drawn", models.BooleanField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="samples", to="users.site"
                    ),
                ),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="samples", to="studies.study"
                    ),
                ),
            ],
            options={
                "ordering": ("created_at", "pk"),
                "indexes": [
                    models.Index(
                        condition=models.Q(("drawn", True)), fields=["site", "created_at"], name="samples_drawn"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("study", "revision"), name="one_draw_per_revision"),
                    models.CheckConstraint(
                        condition=models.Q(("probability__gt", 0.0), ("probability__lte", 1.0)),
                        name="sample_has_a_probability",
                    ),
                ],
            },
        ),
    ]
