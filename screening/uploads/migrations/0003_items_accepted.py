from django.db import migrations, models


class Migration(migrations.Migration):
    """Find the item that first brought some bytes without looking through every upload of the site."""

    dependencies = [("uploads", "0002_initial")]
    operations = [
        migrations.AddIndex(
            model_name="item",
            index=models.Index(condition=models.Q(state="accepted"), fields=["sha256"], name="items_accepted"),
        ),
    ]
