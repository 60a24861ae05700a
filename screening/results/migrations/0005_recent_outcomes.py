from django.db import migrations, models


class Migration(migrations.Migration):
    """Tell what came out in the last minutes without looking through every result."""

    dependencies = [("results", "0004_explanation")]
    operations = [
        migrations.AddIndex(
            model_name="screening",
            index=models.Index(
                condition=models.Q(done_at__isnull=False),
                fields=["state", "model_version", "done_at"],
                name="screenings_done",
            ),
        ),
        migrations.AddIndex(
            model_name="explanation",
            index=models.Index(condition=models.Q(state="failed"), fields=["done_at"], name="explanations_failed"),
        ),
    ]
