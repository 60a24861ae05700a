from django.db import migrations, models


class Migration(migrations.Migration):
    """The default stands in the database too: the previous release makes sites without knowing the field."""

    dependencies = [("users", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="site",
            name="mask_text",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Fill what seems to be burned-in text with black before a picture is kept.",
            ),
        ),
    ]
