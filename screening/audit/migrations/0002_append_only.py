from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from screening.audit.triggers import install_triggers, lift_triggers


def install(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    install_triggers(editor.connection)


def lift(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    lift_triggers(editor.connection)


class Migration(migrations.Migration):
    """Repeat in the database what AuditEvent promises in Python: rows are never changed."""

    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunPython(install, lift)]
