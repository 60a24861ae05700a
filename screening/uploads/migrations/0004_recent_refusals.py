from django.db import migrations, models


class Migration(migrations.Migration):
    """Tell why files were not taken in the last hour without looking through every file."""

    dependencies = [("uploads", "0003_items_accepted")]
    operations = [
        migrations.AddIndex(
            model_name="item",
            index=models.Index(condition=models.Q(state="failed"), fields=["done_at"], name="items_failed"),
        ),
        migrations.AddIndex(
            model_name="item",
            index=models.Index(condition=models.Q(state="rejected"), fields=["done_at"], name="items_rejected"),
        ),
    ]
