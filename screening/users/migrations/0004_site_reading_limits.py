from django.db import migrations, models


class Migration(migrations.Migration):
    """By when a site's studies are to be read, and which. The defaults stand in the database for the release before."""

    dependencies = [("users", "0003_site_reading_policy")]
    operations = [
        migrations.AddField(
            model_name="site",
            name="flagged_hours",
            field=models.PositiveSmallIntegerField(
                db_default=4,
                default=4,
                help_text="Hours until a study that is flagged or not assessed is to be read.",
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="rest_hours",
            field=models.PositiveSmallIntegerField(
                db_default=48, default=48, help_text="Hours until any other study is to be read."
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="reads",
            field=models.CharField(
                choices=[
                    ("read_all", "Every study"),
                    (
                        "read_flagged_and_sample",
                        "What is flagged or not assessed, and a random sample of the rest",
                    ),
                ],
                db_default="read_all",
                default="read_all",
                help_text="What is read.",
                max_length=24,
            ),
        ),
        migrations.AddConstraint(
            model_name="site",
            constraint=models.CheckConstraint(
                condition=models.Q(("reads__in", ["read_all", "read_flagged_and_sample"])), name="reads_is_known"
            ),
        ),
    ]
