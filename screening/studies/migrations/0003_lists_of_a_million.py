from django.db import migrations, models


class Migration(migrations.Migration):
    """Let worklist and API begin a page in an index, however many studies lie before and behind it.

    Writers wait while an index is built: some seconds for a million studies.
    """

    dependencies = [
        ("studies", "0002_initial"),
        ("uploads", "0003_items_accepted"),
        ("users", "0002_site_mask_text"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="study",
            index=models.Index(fields=["site", "state", "change_number", "id"], name="studies_by_state_and_change"),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                condition=models.Q(("flagged", True)),
                fields=["site", "change_number", "id"],
                name="studies_flagged_by_change",
            ),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                condition=models.Q(("flagged", True)),
                fields=["site", "state", "completed_at", "id"],
                name="shelves_flagged",
            ),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                condition=models.Q(("not_assessed", True)),
                fields=["site", "state", "completed_at", "id"],
                name="shelves_not_assessed",
            ),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                condition=models.Q(("flagged", False), ("not_assessed", False)),
                fields=["site", "state", "completed_at", "id"],
                name="shelves_not_flagged",
            ),
        ),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                fields=["upload", "state", "completed_at", "flagged", "not_assessed"], name="shelves_of_upload"
            ),
        ),
    ]
