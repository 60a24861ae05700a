from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def delete_trials(apps: Any, schema: Any) -> None:
    """Leave no trial to a release that would take it for a result."""
    apps.get_model("results", "Screening").objects.filter(trial=True).delete()
    schema.connection.check_constraints(table_names=["results_screening"])  # now: what is put off forbids ALTER TABLE


class Migration(migrations.Migration):
    """Trial screenings of a replay, which count nowhere, and which version a site screens with.

    A worker of the release before knows no trials and would let them flag: begin no replay before every worker is new.
    Going back deletes trials.
    """

    dependencies = [
        ("results", "0006_done_at_site"),
        ("studies", "0006_corrected_pictures"),
        ("uploads", "0006_uploads_of_senders"),
        ("users", "0003_site_reading_policy"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SiteVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.CharField(max_length=60)),
                ("valid_from", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ("-valid_from", "-pk"),
            },
        ),
        migrations.RemoveConstraint(
            model_name="screening",
            name="screened_once_per_pipeline",
        ),
        migrations.AddField(
            model_name="screening",
            name="trial",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Made for a replay: its scores are kept, and flag nothing."
            ),
        ),
        migrations.AddConstraint(
            model_name="screening",
            constraint=models.UniqueConstraint(
                condition=models.Q(("trial", False)),
                fields=("image", "model_version", "pipeline"),
                name="screened_once_per_pipeline",
            ),
        ),
        migrations.AddConstraint(
            model_name="screening",
            constraint=models.UniqueConstraint(
                condition=models.Q(("trial", True)),
                fields=("image", "model_version", "pipeline"),
                name="tried_once_per_pipeline",
            ),
        ),
        migrations.AddField(
            model_name="siteversion",
            name="approved_by",
            field=models.ForeignKey(
                help_text="Empty: kept as it was.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="siteversion",
            name="proposed_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="siteversion",
            name="site",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="model_choices", to="users.site"
            ),
        ),
        migrations.AddField(
            model_name="siteversion",
            name="version",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="results.modelversion"
            ),
        ),
        migrations.AddIndex(
            model_name="siteversion",
            index=models.Index(fields=["site", "slug", "-valid_from"], name="versions_of_site"),
        ),
        migrations.RunPython(migrations.RunPython.noop, delete_trials),  # the last: on the way back the first
    ]
