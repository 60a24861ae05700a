"""The addresses under which programs and people reach the service."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request

NOBODY: Final = UUID(int=0)


def addresses(route: str) -> Callable[[UUID], str]:
    """Give what makes the path of a page from an identifier. The route itself is asked once, for a list of many."""
    pattern = reverse(route, args=[NOBODY])
    return lambda key: pattern.replace(str(NOBODY), str(key))


def public_address(path: str) -> str:
    """Give the address of a path as the operator says that others reach it: where no request names a host."""
    return f"{settings.CONFIG.public_url}{path}"


def whole_address(request: HttpRequest | Request, path: str) -> str:
    """Give the whole address of a path.

    `PUBLIC_URL` where an operator named one: a proxy may have changed the host that the request names. On this machine
    alone its default, which has the port: clients of DICOMweb leave the port out of the host. Else the request's host.
    """
    public: str = settings.CONFIG.public_url
    if _is_of_this_machine(public) and not _is_of_this_machine(request.build_absolute_uri("/")):
        return request.build_absolute_uri(path)
    return public_address(path)


def _is_of_this_machine(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
