"""The address at which people reach the pages, for links that commands print."""

from argparse import ArgumentParser

from django.conf import settings
from django.urls import reverse


def add_base_url(parser: ArgumentParser) -> None:
    """Give a command the argument `--base-url`; the default is this machine's own address."""
    parser.add_argument(
        "--base-url",
        default=f"http://127.0.0.1:{settings.CONFIG.port}",
        help="address of the pages, such as https://screening.example",
    )


def address(base_url: str, name: str, secret: str) -> str:
    """The full address of a page that takes a link's secret."""
    return f"{base_url.rstrip('/')}{reverse(name, args=[secret])}"
