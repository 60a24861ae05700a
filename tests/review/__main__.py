"""Simulate the order of reading as docs/reading.md tells it."""

import django

django.setup()

from tests.review.order_simulation import main  # noqa: E402 - models can be named only after the set-up

main()
