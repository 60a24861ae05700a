"""Write down what is to be told, in the transaction of what happened. Nothing is sent here."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from screening.outbox.models import STUDY_KINDS, Delivery, Endpoint, EventKind, Letter, LetterKind, MailWish
from screening.upserting import insert_rows
from screening.users.models import Membership, Role

UNNUMBERED = None  # a study's change number is taken last in the transaction


def announce_upload(*, upload_id: UUID, site_id: UUID, owner_id: int, state: str) -> None:
    """Tell the site's endpoints that an upload is finished, and its owner, who may have asked for e-mail."""
    for endpoint in _listening([site_id])[site_id]:
        if EventKind.UPLOAD_FINISHED in endpoint.kinds:
            insert_rows([_delivery(endpoint, EventKind.UPLOAD_FINISHED, upload_id, state, 0)])
    wishes = MailWish.objects.filter(user_id=owner_id, uploads=True, confirmed_at__isnull=False)
    write_letters(wishes.values_list("user_id", flat=True), LetterKind.UPLOAD_FINISHED, upload_id)


def announce_moves(kind: EventKind, studies: Collection[tuple[UUID, UUID]], state: str) -> None:
    """Tell that these studies, as (site, study), came to a state. `number_events` must follow in the transaction."""
    listening = _listening({site_id for site_id, _ in studies})
    rows = [
        _delivery(endpoint, kind, study_id, state, UNNUMBERED)
        for site_id, study_id in studies
        for endpoint in listening[site_id]
        if kind in endpoint.kinds
    ]
    insert_rows(rows)


def announce_changes(site_id: UUID, states: Mapping[UUID, str], number: int) -> None:
    """Tell that these studies of a site changed, and give the number to what was announced of them before."""
    endpoints = [one for one in _listening([site_id])[site_id] if set(one.kinds) & set(STUDY_KINDS)]
    if not endpoints:
        return
    Delivery.objects.filter(subject__in=states, change_number__isnull=True).update(change_number=number)
    rows = [
        _delivery(endpoint, EventKind.STUDY_CHANGED, study_id, state, number)
        for endpoint in endpoints
        if EventKind.STUDY_CHANGED in endpoint.kinds
        for study_id, state in states.items()
    ]
    insert_rows(rows)


def anyone_listens(site_id: UUID) -> bool:
    """Whether the site has an endpoint that events are written for."""
    return Endpoint.objects.listening().filter(site_id=site_id).exists()


def announce_test(endpoint: Endpoint) -> Delivery:
    """Write a message that tells an endpoint nothing but that it was tried."""
    delivery = _delivery(endpoint, EventKind.TEST, endpoint.pk, "test", 0)
    insert_rows([delivery])
    return delivery


def announce_disabled(endpoint: Endpoint) -> None:
    """Tell the site's administrators who gave an address that an endpoint was switched off."""
    admins = Membership.objects.filter(site_id=endpoint.site_id, role=Role.ADMIN).values("user_id")
    wishes = MailWish.objects.filter(user_id__in=admins, confirmed_at__isnull=False)
    write_letters(wishes.values_list("user_id", flat=True), LetterKind.ENDPOINT_DISABLED, endpoint.pk)


def write_letters(users: Iterable[int], kind: LetterKind, subject: UUID) -> None:
    """Put a letter for each of these people into the outbox."""
    insert_rows([Letter(user_id=user_id, kind=kind, subject=subject, rank=time.time()) for user_id in users])


def _listening(sites: Iterable[UUID]) -> defaultdict[UUID, list[Endpoint]]:
    found: defaultdict[UUID, list[Endpoint]] = defaultdict(list)
    for endpoint in Endpoint.objects.listening().filter(site_id__in=sites).order_by():
        found[endpoint.site_id].append(endpoint)
    return found


def _delivery(endpoint: Endpoint, kind: EventKind, subject: UUID, state: str, number: int | None) -> Delivery:
    return Delivery(
        endpoint=endpoint, kind=kind, subject=subject, subject_state=state, change_number=number, rank=time.time()
    )
