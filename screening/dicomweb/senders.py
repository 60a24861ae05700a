"""Who may send by C-STORE: known by title and address, for one site, in the name of somebody who may upload there."""

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.dicomweb.models import DicomSender
from screening.errors import InvalidSender
from screening.users.models import Site, User
from screening.users.roles import API_UPLOADERS, holds

LONGEST_TITLE: Final = 16  # characters, PS3.8, 9.3.2


def add_sender(*, site: Site, user: User, ae_title: str, network: str, actor: Actor) -> DicomSender:
    """Let an application entity send.

    Raises:
        InvalidSender: a title or a network that is none, a title that is taken, or a user who may not upload there.
    """
    title = ae_title.strip()
    if not 0 < len(title) <= LONGEST_TITLE or not title.isascii() or not title.isprintable() or "\\" in title:
        raise InvalidSender("An AE title has 1 to 16 ASCII characters, without a backslash.")
    try:
        where = str(ip_network(network, strict=False))
    except ValueError as error:
        raise InvalidSender(f"{network!r} is no address and no network.") from error
    if not holds(user, site.pk, API_UPLOADERS):
        raise InvalidSender("This user may not upload at that site.")
    sender = DicomSender(site=site, user=user, ae_title=title, network=where)
    try:
        with transaction.atomic():
            sender.save(force_insert=True)
            record(actor, [_draft(sender, "sender:added")])
    except IntegrityError as error:
        raise InvalidSender("This AE title is known already: it names one sender of one site.") from error
    return sender


def remove_sender(*, sender_id: UUID, actor: Actor) -> None:
    """Let an application entity send no more. What it sent stays."""
    with transaction.atomic():
        sender = DicomSender.objects.select_for_update().filter(pk=sender_id).first()
        if sender is not None:
            record(actor, [_draft(sender, "sender:removed")])
            sender.delete()


def _draft(sender: DicomSender, action: str) -> Draft:
    # The title is on the row: it may name a ward, and the chain outlasts it.
    return Draft(ChainKind.SITE, sender.site_id, sender.site_id, action, {"sender": str(sender.pk)})


def sender_for(ae_title: str, address: str) -> DicomSender | None:
    """Give the sender that calls by this title from this address, if it may send now."""
    sender = DicomSender.objects.select_related("site", "user").filter(ae_title=ae_title.strip()).first()
    if sender is None or not _comes_from(address, sender.network):
        return None
    return sender if sender.user.is_active and holds(sender.user, sender.site_id, API_UPLOADERS) else None


def _comes_from(address: str, network: str) -> bool:
    try:
        where = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(where, IPv6Address) and where.ipv4_mapped:
        where = where.ipv4_mapped
    return where in ip_network(network)
