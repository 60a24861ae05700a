from secrets import token_hex
from typing import Any

from django.db import migrations, models

import screening.users.models


def give_keys(apps: Any, _schema: Any) -> None:
    """A key of its own for every site that is there: an empty one would be drawn with by all of them."""
    for site in apps.get_model("users", "Site").objects.filter(draw_key=""):
        site.draw_key = token_hex(32)
        site.save(update_fields=["draw_key"])


class Migration(migrations.Migration):
    """Let a site decide what its reviewers read blinded, what is sampled, and what is read twice. All of it is off.

    The defaults stand in the database too: the previous release makes sites without knowing the columns. A site that
    it makes has an empty key until somebody stores a policy for it.
    """

    dependencies = [
        ("users", "0002_site_mask_text"),
    ]

    operations = [
        migrations.AddField(
            model_name="site",
            name="blinded_since",
            field=models.DateTimeField(
                help_text="Since when reviewers see nothing of the models before their first answer; empty: they do.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="draw_key",
            field=models.CharField(
                db_default="",
                default=screening.users.models.new_draw_key,
                editable=False,
                help_text="Of the random draws.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="mixed_share",
            field=models.FloatField(
                db_default=0.0,
                default=0.0,
                help_text="Of the flagged studies: read blinded among those, where the site itself is not blinded.",
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="sample_share",
            field=models.FloatField(
                db_default=0.0,
                default=0.0,
                help_text="Of the studies that are not flagged: drawn at random to be read.",
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="second_dismissed_from",
            field=models.FloatField(
                help_text="A second reader, where a flag with a score from here on was answered absent.", null=True
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="second_share",
            field=models.FloatField(
                db_default=0.0,
                default=0.0,
                help_text="Of the studies that were answered: drawn at random for a second reader.",
            ),
        ),
        migrations.AddField(
            model_name="site",
            name="second_when_unsure",
            field=models.BooleanField(
                db_default=False, default=False, help_text="A second reader, where the first was unsure."
            ),
        ),
        migrations.AddConstraint(
            model_name="site",
            constraint=models.CheckConstraint(
                condition=models.Q(("sample_share__range", (0.0, 1.0))), name="sample_share_is_a_share"
            ),
        ),
        migrations.AddConstraint(
            model_name="site",
            constraint=models.CheckConstraint(
                condition=models.Q(("mixed_share__range", (0.0, 1.0))), name="mixed_share_is_a_share"
            ),
        ),
        migrations.AddConstraint(
            model_name="site",
            constraint=models.CheckConstraint(
                condition=models.Q(("second_share__range", (0.0, 1.0))), name="second_share_is_a_share"
            ),
        ),
        migrations.RunPython(give_keys, migrations.RunPython.noop),
    ]
