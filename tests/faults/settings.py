"""The service's settings, with one more application: the one that a fault test arms."""

from screening.settings import *  # noqa: F403
from screening.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "tests.faults"]
