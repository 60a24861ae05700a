import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Tell a version that somebody retired from one whose bundle is gone: only the second comes back by itself.

    A registration by the release before activates what was retired here; retire it again if that happens.
    """

    dependencies = [
        ("results", "0007_trials_and_versions_of_sites"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="retired_at",
            field=models.DateTimeField(help_text="When somebody retired it; empty: nobody did.", null=True),
        ),
        migrations.AddField(
            model_name="modelversion",
            name="retired_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="modelversion",
            name="active",
            field=models.BooleanField(
                default=True, help_text="Whether it may be chosen: screening/results/versions.py."
            ),
        ),
    ]
