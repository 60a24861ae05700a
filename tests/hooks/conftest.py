from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from screening.audit.actor import Actor
from screening.config import WebhookRules
from screening.hooks.endpoints import add_endpoint
from screening.outbox.models import Endpoint, EventKind
from screening.users.models import Role, Site, User
from tests.factories import SiteFactory, UserFactory
from tests.hooks.receivers import Receiver, receiving
from tests.stores import stores

__all__ = ["stores"]
LOOPBACK = ip_network("127.0.0.0/8")
STRICT = WebhookRules(plain_http=False, networks=(), ports=(443, 8443), ca_file="")


@pytest.fixture
def allow(settings) -> Callable[..., WebhookRules]:
    """Let webhooks go to a receiver of this machine, as an operator does with the variables."""

    def build(*receivers: Receiver, ca: Path | None = None, networks=(LOOPBACK,)) -> WebhookRules:
        rules = WebhookRules(
            plain_http=True,
            networks=networks,
            ports=tuple(receiver.port for receiver in receivers),
            ca_file=str(ca or ""),
        )
        settings.CONFIG = replace(settings.CONFIG, webhooks=rules)
        return rules

    return build


@pytest.fixture
def receiver(allow) -> Iterator[Receiver]:
    with receiving() as made:
        allow(made)
        yield made


@pytest.fixture
def site() -> Site:
    return SiteFactory()


@pytest.fixture
def admin(site) -> User:
    return UserFactory(role_at=(site, Role.ADMIN))


@pytest.fixture
def endpoint(site, admin, receiver, stores) -> Endpoint:
    """An endpoint of the site that is told everything."""
    kinds = list(EventKind)
    return add_endpoint(site=site, url=receiver.url(), kinds=kinds, actor=Actor.user(admin)).endpoint
