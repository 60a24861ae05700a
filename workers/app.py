"""The worker application: `celery -A workers.app worker --pool=threads -Q ingest` (or `inference`).

A call only wakes hands up (`workers.crew`); they also look by themselves, so that a worker without
a broker is slower and nothing more. TensorFlow is imported by the first model that is loaded, never here.
"""

import os

import django

# Before NumPy is imported: threads of its products of matrices wait for the next one at full speed, and took half the
# throughput from the model (125 planes a second instead of 244 on two cores, OpenVINO, November 2026).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - read by a library, before any setting
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "screening.settings")  # noqa: TID251 - an entry point, as manage.py is
django.setup()

from screening.queue import app  # noqa: E402 - models can be imported from here on
from workers import archives, correcting, deep, explain, inference, ingest, lifecycle  # noqa: E402
from workers.documents import making  # noqa: E402

__all__ = ["app", "archives", "correcting", "deep", "explain", "inference", "ingest", "making"]

lifecycle.connect()
