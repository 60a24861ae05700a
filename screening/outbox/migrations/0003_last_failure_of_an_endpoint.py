from django.db import migrations, models


class Migration(migrations.Migration):
    """Note when an endpoint failed last. Back loses that moment, and no event."""

    dependencies = [
        ("outbox", "0002_tests_and_deliveries_by_age"),
    ]

    operations = [
        migrations.AddField(
            model_name="endpoint",
            name="failed_at",
            field=models.DateTimeField(help_text="Of the last failure.", null=True),
        ),
        migrations.AlterField(
            model_name="endpoint",
            name="failing_since",
            field=models.DateTimeField(
                help_text=("Of the first failure after the last success, or after hours in which nothing was tried."),
                null=True,
            ),
        ),
    ]
