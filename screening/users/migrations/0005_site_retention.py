from django.db import migrations, models


class Migration(migrations.Migration):
    """After how many days a site's studies are deleted. Off at every site until somebody decides."""

    dependencies = [("users", "0004_site_reading_limits")]
    operations = [
        migrations.AddField(
            model_name="site",
            name="study_days",
            field=models.PositiveSmallIntegerField(
                help_text="Days after which a study that is complete is deleted; empty: never.", null=True
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="keep_unread",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Keep a study that waits for a reader, however old it is.",
            ),
        ),
    ]
