"""Another version of a model, tried on past studies before a site screens with it.

The trial screenings are scored by the workers as any others are, behind everything that people wait for, and are
results of nothing: no page of a study, no count, no export and no flag knows them. What would change is shown; the
switch is made by a second person, and holds for what is uploaded from then on.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ml.vocabulary import PIPELINES
from screening.audit.actor import Actor
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.errors import IllegalTransition, NotAllowed
from screening.numbers.errors import AlreadyProposed, NothingToReplay, SecondPersonNeeded
from screening.numbers.models import Replay, ReplayState
from screening.queue import Call, call_after_commit
from screening.results.models import PENDING, ModelVersion, Screening, ScreeningState, SiteVersion
from screening.results.selectors import chosen_models
from screening.retrying import again_on_conflict
from screening.studies.models import Image, Study, StudyState
from screening.upserting import insert_rows
from screening.users.models import Site, User
from screening.users.roles import ADMINISTRATORS, holds

MOST_STUDIES: Final = 200
MOST_IMAGES: Final = 2_000
BEHIND: Final = 7 * 24 * 3600.0  # seconds of virtual time: what is uploaded within a week goes before
COMPLETE: Final = (StudyState.READY, StudyState.INCOMPLETE, StudyState.REVIEWED)


def in_use(site: Site, slug: str) -> ModelVersion | None:
    """The version of a model that the site screens with, where nobody names one."""
    active = ModelVersion.objects.active().filter(slug=slug)
    return next(iter(chosen_models([slug], site_id=site.pk)), None) if active.exists() else None


def known_to(site: Site, slug: str) -> ModelVersion | None:
    """The version that a site is used to: the one it decided on, else the one that scored its latest picture.

    At a site that decided nothing a newer one may apply already, by having been registered.
    """
    used = in_use(site, slug)
    if used is None or SiteVersion.objects.filter(site=site, slug=slug).exists():
        return used
    versions = list(ModelVersion.objects.active().filter(slug=slug))
    latest = [(_last_scored(site, version), version) for version in versions]
    return max(((at, version) for at, version in latest if at), key=lambda one: one[0], default=(None, used))[1]


def _last_scored(site: Site, version: ModelVersion) -> datetime | None:
    rows = Screening.objects.filter(site=site, model_version=version, done_at__isnull=False)
    return rows.filter(state=ScreeningState.SCORED).order_by("-done_at").values_list("done_at", flat=True).first()


@again_on_conflict
@transaction.atomic
def start_replay(*, site: Site, old: ModelVersion, new: ModelVersion, studies: int, user: User) -> Replay:
    """Ask the new version about the latest studies that the old one scored. Until the switch the site keeps the old.

    Raises:
        NotAllowed: the user does not administer the site.
        NothingToReplay: the two are not versions of one model, the new one is not active, the old one is not that which
            the site is used to, or there is no such study.
        AlreadyProposed: a replay of the new version is open at the site.
    """
    _refuse_strangers(user, site.pk)
    if old.slug != new.slug or old.pk == new.pk or not (old.active and new.active):
        raise NothingToReplay(_("%(new)s does not follow %(old)s.") % {"new": new.name, "old": old.name})
    Site.objects.select_for_update(no_key=True).get(pk=site.pk)  # two who begin at once: the second finds the first
    if known_to(site, old.slug) != old:  # else one person could switch by naming another old one
        raise NothingToReplay(_("The site does not screen with %(old)s.") % {"old": old.name})
    decided = SiteVersion.objects.filter(site=site, slug=old.slug).exists()
    if Replay.objects.filter(site=site, new=new, state=ReplayState.OPEN).exists():
        raise AlreadyProposed(_("A replay of %(new)s is open.") % {"new": new.name})
    found = _latest(site, old, min(studies, MOST_STUDIES))
    images = list(
        Image.objects.filter(study__in=found, not_assessed="", superseded=False).order_by("study_id", "pk")[
            :MOST_IMAGES
        ]
    )
    if not images:
        raise NothingToReplay(_("%(old)s scored no study at this site.") % {"old": old.name})
    covered = {image.study_id for image in images}
    replay = Replay.objects.create(site=site, old=old, new=new, asked_by=user)
    replay.studies.set([study for study in found if study.pk in covered])
    _try(replay, images)
    if not decided:  # a newer version may apply by having been registered: the site stays with what it knows
        SiteVersion.objects.create(site=site, slug=old.slug, version=old, proposed_by=user)
    record(Actor.user(user), [_draft(replay, "model:replay_started", studies=len(covered))])
    return replay


def _latest(site: Site, old: ModelVersion, number: int) -> list[Study]:
    rows = Screening.objects.filter(site=site, model_version=old, state=ScreeningState.SCORED, done_at__isnull=False)
    keys: dict[UUID, None] = dict.fromkeys(rows.order_by("-done_at").values_list("study_id", flat=True)[:MOST_IMAGES])
    return list(Study.objects.filter(pk__in=list(keys)[:number], state__in=COMPLETE).order_by("pk"))


def _try(replay: Replay, images: Sequence[Image]) -> None:
    """Make the trial screenings that are missing, and call for them."""
    tried = set(
        Screening.with_trials.filter(
            image__in=images, model_version=replay.new, pipeline__in=PIPELINES, trial=True
        ).values_list("image_id", flat=True)
    )
    uploads = dict(Study.objects.filter(pk__in={image.study_id for image in images}).values_list("pk", "upload_id"))
    rank = timezone.now().timestamp() + BEHIND
    rows = [
        Screening(
            site_id=image.site_id,
            upload_id=uploads[image.study_id],
            study_id=image.study_id,
            image=image,
            model_version=replay.new,
            pipeline=image.pipeline_now,
            rank=rank,
            trial=True,
        )
        for image in images
        if image.pk not in tried and image.modality == replay.new.modality
    ]
    insert_rows(rows)
    if rows:
        call_after_commit(Call.SCREEN_NEXT_BATCH, lane=str(replay.new_id))


def left_to_try(replay: Replay) -> int:
    """How many pictures still wait."""
    rows = Screening.with_trials.filter(study__in=replay.studies.all(), model_version_id=replay.new_id, trial=True)
    return rows.filter(state__in=PENDING).count()


@transaction.atomic
def switch(*, replay_id: UUID, user: User) -> Replay:
    """Let the site screen with the new version from now on. Past studies keep their results and flags.

    Raises:
        NotAllowed: the user does not administer the site.
        SecondPersonNeeded: the user asked for the replay.
        IllegalTransition: it was decided already, pictures still wait, or the new version was retired; nothing changed.
    """
    replay = _open(replay_id, user)
    if replay.asked_by_id == user.pk:
        raise SecondPersonNeeded(_("Nobody switches after a replay of their own."))
    Site.objects.select_for_update().get(pk=replay.site_id)  # as whoever retires a version does
    if not ModelVersion.objects.active().filter(pk=replay.new_id).exists():
        raise IllegalTransition(_("%(name)s was retired.") % {"name": replay.new.name})
    if left := left_to_try(replay):
        raise IllegalTransition(_("%(n)s pictures of the replay still wait.") % {"n": left})
    SiteVersion.objects.create(
        site=replay.site, slug=replay.new.slug, version=replay.new, proposed_by=replay.asked_by, approved_by=user
    )
    return _decide(replay, ReplayState.SWITCHED, user, "model:switched")


@transaction.atomic
def close_replay(*, replay_id: UUID, user: User) -> Replay:
    """Stay with the old version.

    Raises:
        NotAllowed: the user does not administer the site.
        IllegalTransition: it was decided already; nothing changed.
    """
    return _decide(_open(replay_id, user), ReplayState.CLOSED, user, "model:replay_closed")


def _open(replay_id: UUID, user: User) -> Replay:
    locked = Replay.objects.select_for_update(of=("self",)).select_related("old", "new", "asked_by", "site")
    replay = locked.get(pk=replay_id)
    _refuse_strangers(user, replay.site_id)
    if replay.state != ReplayState.OPEN:
        raise IllegalTransition(_("The replay was %(state)s already.") % {"state": _(replay.state)})
    return replay


def _decide(replay: Replay, to: ReplayState, user: User, action: str) -> Replay:
    replay.state, replay.decided_by, replay.decided_at = to, user, timezone.now()
    replay.save(update_fields=["state", "decided_by", "decided_at"])
    record(Actor.user(user), [_draft(replay, action)])
    return replay


def _refuse_strangers(user: User, site_id: UUID) -> None:
    if not holds(user, site_id, ADMINISTRATORS):
        raise NotAllowed(_("What a site screens with is decided by its administrators."))


def _draft(replay: Replay, action: str, **more: object) -> Draft:
    detail = {
        "replay": str(replay.pk),
        "old": replay.old.name,
        "new": replay.new.name,
        "user": replay.asked_by_id,
        **more,
    }
    return Draft(ChainKind.SITE, replay.site_id, replay.site_id, action, detail)
