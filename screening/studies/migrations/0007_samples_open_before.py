from datetime import timedelta

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Q


def mark_those_drawn_later(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Of the rows that are there, only those drawn as their study became complete are known to have been closed."""
    samples = apps.get_model("studies", "Sample").objects.using(schema_editor.connection.alias)
    later = Q(created_at__gt=F("study__completed_at") + timedelta(seconds=10))
    keys = samples.filter(later | Q(revision__gt=1)).values("pk")
    samples.filter(pk__in=keys).update(open_before=True)


class Migration(migrations.Migration):
    """Keep whether a study may have stood open before it was drawn: an answer about it does not count as blinded.

    The release before writes rows without it, as if nothing had been open.
    """

    dependencies = [("studies", "0006_corrected_pictures")]
    operations = [
        migrations.AddField(
            model_name="sample",
            name="open_before",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The study was complete earlier, and may have stood open since.",
            ),
        ),
        migrations.RunPython(mark_those_drawn_later, migrations.RunPython.noop, elidable=True),
    ]
