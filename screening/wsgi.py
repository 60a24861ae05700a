"""The web process. Never decodes a picture, never imports TensorFlow."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "screening.settings")  # noqa: TID251 - the entry point names the settings
application = get_wsgi_application()
