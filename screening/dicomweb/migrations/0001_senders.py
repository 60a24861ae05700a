import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Name the devices and archives that may send by C-STORE. Going back forgets who might; what they sent stays."""

    initial = True
    dependencies = [("users", "0002_site_mask_text"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="DicomSender",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("ae_title", models.CharField(help_text="Names one sender of one site.", max_length=16, unique=True)),
                ("network", models.CharField(help_text="An address, or a network such as 10.1.2.0/24.", max_length=43)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="dicom_senders", to="users.site"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        help_text="In whose name uploads are opened.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dicom_senders",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ("ae_title",)},
        ),
    ]
