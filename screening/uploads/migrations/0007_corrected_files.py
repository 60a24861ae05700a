import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Let an upload bring corrected files of an earlier one, and a file say which failure it replaces."""

    dependencies = [("uploads", "0006_uploads_of_senders")]
    operations = [
        migrations.AddField(
            model_name="upload",
            name="corrects",
            field=models.ForeignKey(
                help_text="The upload whose failures its files replace.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrections",
                to="uploads.upload",
            ),
        ),
        migrations.AddField(
            model_name="item",
            name="replaces",
            field=models.ForeignKey(
                help_text="The failure of an earlier upload that this file stands for.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replacements",
                to="uploads.item",
            ),
        ),
    ]
