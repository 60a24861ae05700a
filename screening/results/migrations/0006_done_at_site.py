from django.db import migrations, models


class Migration(migrations.Migration):
    """Read what a model said at one site in a period from an index, however many sites and years there are."""

    dependencies = [("results", "0005_recent_outcomes")]

    operations = [
        migrations.AddIndex(
            model_name="screening",
            index=models.Index(
                condition=models.Q(("done_at__isnull", False)),
                fields=["site", "model_version", "done_at", "id"],
                name="screenings_done_at_site",
            ),
        ),
    ]
