"""`python -m tests.backups`: what the installation that the variables name says of itself."""

import django

django.setup()

from tests.backups.telling import main  # noqa: E402 - models are there once Django is set up

main()
