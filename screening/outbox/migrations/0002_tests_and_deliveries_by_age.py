from django.db import migrations, models


class Migration(migrations.Migration):
    """Let an endpoint be tried, and let its deliveries be read page by page. Words and an index: back loses nothing."""

    dependencies = [
        ("outbox", "0001_webhooks_and_letters"),
    ]

    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="change_number",
            field=models.PositiveBigIntegerField(
                help_text="Of a study; null only within the transaction that changes it. 0 for anything else.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="kind",
            field=models.CharField(
                choices=[
                    ("upload.finished", "Every file of an upload has its outcome"),
                    ("study.ready", "Every picture of a study was screened, or could not be assessed"),
                    ("study.changed", "Anything of a study changed: the busiest one"),
                    ("study.reviewed", "A reader answered"),
                    ("webhook.test", "Nothing happened: somebody tries the endpoint"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="subject",
            field=models.UUIDField(help_text="The upload or the study; of a test the endpoint."),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["endpoint", "-created_at", "-id"], name="deliveries_newest"),
        ),
    ]
