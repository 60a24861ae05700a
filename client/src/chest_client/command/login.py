"""Whose token is used. It comes from a prompt, from stdin or from CHEST_TOKEN, never from the command line."""

import getpass
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chest_client.client import Client
from chest_client.command.exits import Misused
from chest_client.command.places import config_folder, read_json, write_json
from chest_client.retrying import Patience

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Login:
    """An address and a token, which is in no representation."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Login({self.url!r})"

    def client(self, patience: Patience | None = None) -> Client:
        """Make a client.

        Raises:
            Misused: the address or the token cannot be one.
        """
        if not self.token.isascii() or not self.token.isalnum():
            raise Misused("The token is not one of this service: copy it again from the page API tokens.")
        try:
            return Client(self.url, self.token, patience=patience)
        except ValueError as error:
            raise Misused(str(error)) from None


def _place() -> Path:
    return config_folder() / "login.json"


def known(env: Mapping[str, str]) -> Login:
    """Give the login that was stored; CHEST_URL and CHEST_TOKEN come before it.

    Raises:
        Misused: there is none, or the token that was stored belongs to another address than the one that is asked.
    """
    stored = read_json(_place()) or {}
    url, token = env.get("CHEST_URL") or stored.get("url"), env.get("CHEST_TOKEN") or stored.get("token")
    if not url or not token:
        raise Misused("Not logged in. Run: chestctl login https://screening.example.org")
    if not env.get("CHEST_TOKEN") and str(url).rstrip("/") != str(stored.get("url")).rstrip("/"):
        raise Misused("CHEST_URL names another address than the one you logged in to: set CHEST_TOKEN beside it.")
    return Login(str(url), str(token))


def log_in(url: str, env: Mapping[str, str]) -> Login:
    """Ask for the token, try it, and store both. What does not work is not stored.

    Raises:
        Misused: no token was given.
        ClientError: the service does not take it.
    """
    login = Login(url, _asked_for(env))
    with login.client(Patience(tries=2)) as client:
        client.models()
    write_json(_place(), {"url": login.url, "token": login.token})
    return login


def _asked_for(env: Mapping[str, str]) -> str:
    token = env.get("CHEST_TOKEN") or (
        getpass.getpass("Token (from the page API tokens): ") if sys.stdin.isatty() else sys.stdin.readline()
    )
    if not token.strip():
        raise Misused("No token was given: type it, pipe it in, or set CHEST_TOKEN.")
    return token.strip()


def is_in_the_clear(url: str) -> bool:
    """Whether a token would travel to another machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK
