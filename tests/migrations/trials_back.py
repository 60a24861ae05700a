"""Migrate a scratch database, let a picture be screened and tried, and go back to before there were trials. A script.

Prints how many screenings are left.
"""

import django
from django.core.management import call_command
from django.db import connection


def main() -> None:
    django.setup()
    call_command("migrate", verbosity=0)
    from tests.factories import ScreeningFactory  # noqa: PLC0415 - models are there only now

    row = ScreeningFactory(scored=True)
    ScreeningFactory(image=row.image, model_version=row.model_version, scored=True, trial=True)
    call_command("migrate", "results", "0006", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM results_screening")
        print("left:", cursor.fetchone()[0])  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()
