import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Tell of kept objects without opening their files. A worker fills the rows, of objects kept before as well.

    Going back drops what can be made again from the files.
    """

    dependencies = [("dicomweb", "0001_senders"), ("studies", "0005_sample"), ("users", "0003_site_reading_policy")]
    operations = [
        migrations.CreateModel(
            name="Catalogued",
            fields=[
                (
                    "site",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="catalogued",
                        serialize=False,
                        to="users.site",
                    ),
                ),
                ("number", models.PositiveBigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="DicomHeader",
            fields=[
                (
                    "image",
                    models.OneToOneField(
                        help_text="Its first frame.",
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="dicom_header",
                        serialize=False,
                        to="studies.image",
                    ),
                ),
                ("study_uid", models.CharField(max_length=64)),
                ("series_uid", models.CharField(max_length=64)),
                ("instance_uid", models.CharField(max_length=64)),
                ("sop_class", models.CharField(max_length=64)),
                ("transfer_syntax", models.CharField(max_length=64)),
                ("modality", models.CharField(max_length=16)),
                ("study_date", models.DateField(help_text="Shifted, as in the object.", null=True)),
                (
                    "metadata",
                    models.BinaryField(help_text="The object but for its pixels in the DICOM JSON model, deflated."),
                ),
                (
                    "site",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="users.site"),
                ),
                (
                    "study",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="dicom_headers", to="studies.study"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["site", "study_uid", "series_uid", "instance_uid"], name="headers_in_order"),
                    models.Index(fields=["site", "study_date"], name="headers_by_date"),
                    models.Index(fields=["site", "instance_uid"], name="headers_by_instance"),
                ]
            },
        ),
    ]
