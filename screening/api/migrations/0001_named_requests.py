import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Keep what a POST under an Idempotency-Key was answered, for a day. Going back forgets keys, and no result."""

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NamedRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=120)),
                ("fingerprint", models.CharField(help_text="Keyed hash of address and body.", max_length=64)),
                (
                    "status",
                    models.PositiveSmallIntegerField(
                        help_text="Of the answer; empty while it is being worked on.", null=True
                    ),
                ),
                ("body", models.JSONField(help_text="The answer, where it is to be told again.", null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["created_at"], name="named_requests_by_age")],
                "constraints": [models.UniqueConstraint(fields=("user", "key"), name="one_request_per_key")],
            },
        ),
    ]
