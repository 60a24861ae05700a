import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Keep what ingest did to headers, as counts of files. Uploads of earlier releases have no such rows, and say so."""

    dependencies = [("uploads", "0004_recent_refusals")]
    operations = [
        migrations.CreateModel(
            name="Deidentification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kinds", models.JSONField(default=dict, help_text="Files by kind: dicom, png, jpeg.")),
                ("kept", models.JSONField(default=dict)),
                ("changed", models.JSONField(default=dict)),
                ("removed", models.JSONField(default=dict)),
                ("methods", models.JSONField(default=dict, help_text="Files by DICOM's code of what was applied.")),
                (
                    "upload",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deidentifications",
                        to="uploads.upload",
                    ),
                ),
            ],
        ),
    ]
