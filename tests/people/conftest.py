"""Three people: an administrator of a site, a colleague there, and a stranger from another site."""

from dataclasses import dataclass

import pytest
from django.test import Client

from screening.audit.models import AuditEvent, ChainKind
from screening.audit.services import chain_key, verify_chain
from screening.users.models import Membership, Role, Site, User
from tests.factories import SiteFactory, UserFactory

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class People:
    site: Site
    admin: User
    colleague: User
    stranger: User

    def membership(self, user: User) -> Membership:
        return Membership.objects.get(user=user, site=self.site)

    def events(self) -> list[tuple[str, str, dict]]:
        """The site's chain, in order; it must be whole whenever somebody looks."""
        events = AuditEvent.objects.filter(chain=chain_key(ChainKind.SITE, self.site.pk)).order_by("seq")
        assert not events or verify_chain(ChainKind.SITE, self.site.pk).intact
        return [(event.action, event.actor, event.detail) for event in events]


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def people(db) -> People:
    site = SiteFactory()
    return People(
        site=site,
        admin=UserFactory(role_at=(site, Role.ADMIN)),
        colleague=UserFactory(role_at=(site, Role.STAFF)),
        stranger=UserFactory(role_at=(SiteFactory(), Role.ADMIN)),
    )
