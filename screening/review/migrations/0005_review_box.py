from django.db import migrations, models


class Migration(migrations.Migration):
    """Where on a picture a finding is, as far as a reader marked it.

    The column may be empty: the previous release writes rows without it. Going back loses the boxes, which stay on the
    audit as numbers.
    """

    dependencies = [
        ("review", "0004_claims_and_bookmarks"),
    ]

    operations = [
        migrations.AddField(
            model_name="review",
            name="box",
            field=models.JSONField(
                help_text="Where the finding is: a picture, and parts of its columns and rows.", null=True
            ),
        ),
    ]
