from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("users", "0005_site_retention")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of pages and letters; empty: the browser's.",
                max_length=12,
            ),
        ),
    ]
