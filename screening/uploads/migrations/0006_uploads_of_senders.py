from django.db import migrations, models


class Migration(migrations.Migration):
    """Let what arrives by DICOM's own services share one open upload, which a quiet period seals.

    The default stands in the database, so that a process of the last release still opens uploads. Going back
    seals nothing: such uploads are then open ones like all others, and end after a day without traffic.
    """

    dependencies = [("uploads", "0005_deidentification")]
    operations = [
        migrations.AddField(
            model_name="upload",
            name="intake",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of a sender that opens none: a quiet period seals.",
                max_length=80,
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open"), models.Q(("intake", ""), _negated=True)),
                fields=("site", "created_by", "intake"),
                name="one_open_upload_per_intake",
            ),
        ),
    ]
