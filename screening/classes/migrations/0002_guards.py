from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from screening.classes.triggers import install_triggers, lift_triggers


def install(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    install_triggers(editor.connection)


def lift(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    lift_triggers(editor.connection)


class Migration(migrations.Migration):
    """Repeat in the database what a class promises: answers and truth stay, and a set only moves forward."""

    dependencies = [("classes", "0001_initial")]
    operations = [migrations.RunPython(install, lift)]
