from django.db import migrations


class Migration(migrations.Migration):
    """Drop two indexes that the shelves of the trays replace. The release before only gets slower without them."""

    dependencies = [("studies", "0003_lists_of_a_million")]
    operations = [
        migrations.RemoveIndex(model_name="study", name="studies_flagged"),
        migrations.RemoveIndex(model_name="study", name="studies_not_assessed"),
    ]
