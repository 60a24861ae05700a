"""`python -m tests.translating [LANGUAGE ...]`: bring catalogues up to date, and say what is left to translate."""

import os
import sys

import django

from tests.translating.catalogues import DOMAINS, languages, path_of, renew
from tests.translating.extract import ROOT


def main(wanted: list[str]) -> int:
    os.environ.setdefault("SECRET_KEY", "only-to-read-templates")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "screening.settings")
    django.setup()
    left = 0
    for language in wanted or languages():
        for domain in DOMAINS:
            missing = renew(language, domain)
            left += len(missing)
            print(f"{path_of(language, domain).relative_to(ROOT)}: {len(missing)} messages are not translated")  # noqa: T201
            for key in missing:
                print(f"  {key.text!r}")  # noqa: T201
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
