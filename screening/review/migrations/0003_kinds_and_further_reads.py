import uuid
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def tell_first_from_changed(apps: Any, _schema: Any) -> None:
    """Say of answers that are there why they were given: nobody was blinded, and nothing asked for second ones."""
    reviews = apps.get_model("review", "Review").objects
    reviews.filter(supersedes__isnull=False, supersedes__revision=models.F("revision")).update(kind="changed")
    earlier = reviews.filter(
        study=models.OuterRef("study"),
        revision=models.OuterRef("revision"),
        created_at__lt=models.OuterRef("created_at"),
    ).exclude(reader=models.OuterRef("reader"))
    reviews.filter(~models.Exists(earlier), kind="additional").update(kind="first")


class Migration(migrations.Migration):
    """Say of every answer why it was given and whether its reader was blinded, and keep which further reads are due.

    The previous release writes answers without knowing the columns: they count as additional, and not as blinded.
    """

    dependencies = [
        ("review", "0002_initial"),
        ("studies", "0005_sample"),
        ("users", "0003_site_reading_policy"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="FurtherRead",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("revision", models.PositiveSmallIntegerField(help_text="Of the study, as it was answered first.")),
                (
                    "stage",
                    models.CharField(choices=[("second", "Second"), ("adjudication", "Adjudication")], max_length=12),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("random", "Random"),
                            ("unsure", "Unsure"),
                            ("dismissed", "Dismissed"),
                            ("disagreement", "Disagreement"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "probability",
                    models.FloatField(help_text="With which it was drawn; empty: a rule asked for it.", null=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("done", "Done"), ("withdrawn", "Withdrawn")],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("created_at", "pk"),
            },
        ),
        migrations.AddField(
            model_name="review",
            name="blinded",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Nothing that comes from a model was open to this reader before this answer.",
            ),
        ),
        migrations.AddField(
            model_name="review",
            name="kind",
            field=models.CharField(
                choices=[
                    ("first", "First opinion"),
                    ("sampled", "First opinion on a study of the random sample"),
                    ("second_random", "Second opinion, drawn at random"),
                    ("second_targeted", "Second opinion, asked for by a rule"),
                    ("adjudication", "Decision between two opinions"),
                    ("after_unblinding", "Changed after the models' answer was shown"),
                    ("changed", "Changed by a reader who had seen the models' answer from the start"),
                    ("additional", "A further opinion that nothing asked for"),
                ],
                db_default="additional",
                default="additional",
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="review",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "first",
                            "sampled",
                            "second_random",
                            "second_targeted",
                            "adjudication",
                            "after_unblinding",
                            "changed",
                            "additional",
                        ],
                    )
                ),
                name="review_kind_is_known",
            ),
        ),
        migrations.AddField(
            model_name="furtherread",
            name="done_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="furtherread",
            name="first",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="furtherread",
            name="second",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="furtherread",
            name="site",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="further_reads", to="users.site"
            ),
        ),
        migrations.AddField(
            model_name="furtherread",
            name="study",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="further_reads", to="studies.study"
            ),
        ),
        migrations.AddIndex(
            model_name="furtherread",
            index=models.Index(
                condition=models.Q(("state", "waiting")), fields=["site", "stage", "created_at"], name="reads_waiting"
            ),
        ),
        migrations.AddConstraint(
            model_name="furtherread",
            constraint=models.UniqueConstraint(
                fields=("study", "revision", "stage"), name="one_further_read_per_stage"
            ),
        ),
        migrations.AddConstraint(
            model_name="furtherread",
            constraint=models.CheckConstraint(
                condition=models.Q(("stage__in", ["second", "adjudication"])), name="stage_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="furtherread",
            constraint=models.CheckConstraint(
                condition=models.Q(("cause__in", ["random", "unsure", "dismissed", "disagreement"])),
                name="cause_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="furtherread",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["waiting", "done", "withdrawn"])), name="read_state_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="furtherread",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cause", "random"), ("probability__isnull", False)),
                    models.Q(models.Q(("cause", "random"), _negated=True), ("probability__isnull", True)),
                    _connector="OR",
                ),
                name="random_reads_have_a_probability",
            ),
        ),
        migrations.RunPython(tell_first_from_changed, migrations.RunPython.noop),
    ]
