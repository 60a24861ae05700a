"""The web process. Never decodes a picture, never imports TensorFlow, and leaves out what it never uses."""

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

from screening.lean import UNUSED, absent
from screening.settled import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "screening.settings")  # noqa: TID251 - the entry point names the settings
with absent(*UNUSED):
    application = get_wsgi_application()
    import_module("screening.urls")  # and all it needs, which looks for them; it would come in with the first request
settle()
