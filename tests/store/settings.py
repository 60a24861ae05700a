"""The service's settings, with one more application: a model of the tests takes the place of every bundle."""

from screening.settings import *  # noqa: F403
from screening.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "tests.store"]
