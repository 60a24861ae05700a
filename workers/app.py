"""The worker application: `celery -A workers.app worker --pool=threads -Q ingest` (or `inference`).

A call only wakes hands up (`workers.crew`); they also look by themselves, so that a worker without
a broker is slower and nothing more. TensorFlow is imported by the first model that is loaded, never here.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "screening.settings")  # noqa: TID251 - an entry point, as manage.py is
django.setup()

from screening.queue import app  # noqa: E402 - models can be imported from here on
from workers import archives, explain, inference, ingest, lifecycle  # noqa: E402

__all__ = ["app", "archives", "explain", "inference", "ingest"]

lifecycle.connect()
