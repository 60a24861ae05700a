import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Let a turned or inverted picture be followed by a corrected one that stands in its place.

    The release before knows none of this: defaults of the database let it insert pictures, and it judges a study by
    every picture, the one as it was sent included. Going back forgets which picture corrects which.
    """

    dependencies = [("studies", "0005_sample")]
    operations = [
        migrations.AddField(
            model_name="image",
            name="asked_correction",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What a reader asked for and is not made yet.",
                max_length=12,
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="corrects",
            field=models.ForeignKey(
                help_text="The picture as it was sent.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="corrections",
                to="studies.image",
            ),
        ),
        migrations.AddField(
            model_name="image",
            name="superseded",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A corrected picture stands in its place; it counts in no judgement.",
            ),
        ),
        migrations.AddIndex(
            model_name="image",
            index=models.Index(
                condition=models.Q(("asked_correction", ""), _negated=True), fields=["id"], name="corrections_asked"
            ),
        ),
    ]
