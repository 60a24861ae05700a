"""Who may open what on the review pages. What a user may not see does not exist for them."""

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from screening.classes.selectors import closed_studies
from screening.prepared import Prepared
from screening.results.models import ModelVersion
from screening.review.blinding import Veil
from screening.studies.models import Image, Study, StudyState
from screening.users.models import Site, User
from screening.users.roles import READERS, SEE_RESULTS, holds, sites_where

Visitor = User | AnonymousUser


def visible_studies(user: Visitor) -> QuerySet[Study]:
    """Studies of the user's sites whose pictures are still kept, but for those that they read in a class."""
    return kept_studies(user).exclude(closed_studies(user.pk))


def kept_studies(user: Visitor) -> QuerySet[Study]:
    """Studies of the user's sites whose pictures are still kept."""
    return Study.objects.filter(site__in=sites_where(user, SEE_RESULTS)).exclude(state=StudyState.PURGED)


def study_for(user: Visitor, study_id: UUID) -> Study:
    """The study, if the user may see it.

    Raises:
        Http404: there is none, or it is not for this user.
    """
    study = visible_studies(user).select_related("site").filter(pk=study_id).first()
    if study is None:
        raise Http404
    return study


def open_studies(user: Visitor) -> QuerySet[Study]:
    """Of the visible studies those of which the user may see what models and other readers said."""
    return visible_studies(user).exclude(Veil(user).over)


def image_for(user: Visitor, image_id: UUID) -> Image:
    """The picture, if it is of a site of the user: also one that they read in a class, of which it tells nothing.

    Raises:
        Http404: there is none, or it is not for this user.
    """
    image = Image.objects.filter(pk=image_id, study__in=kept_studies(user)).first()
    if image is None:
        raise Http404
    return image


def may_answer(user: Visitor, study: Study) -> bool:
    """Whether the user reads at the study's site."""
    return holds(user, study.site_id, READERS)


def reads_somewhere(user: Visitor) -> bool:
    """Whether the user reads at any site."""
    return sites_where(user, READERS).exists()


def readers_of(sites: Iterable[Site]) -> list[tuple[int, str]]:
    """Who reads at these sites: key and name, by name."""
    return _READERS_AT([site.pk for site in sites])


def _readers_at(site_ids: Sequence[UUID]) -> QuerySet[User, tuple[int, str]]:
    readers = User.objects.filter(memberships__site__in=site_ids, memberships__role__in=READERS)
    return readers.order_by("username").values_list("pk", "username").distinct()


_READERS_AT: Final = Prepared(_readers_at)


def versions() -> list[ModelVersion]:
    """All model versions, without their cards."""
    return _VERSIONS()


_VERSIONS: Final = Prepared(lambda: ModelVersion.objects.defer("card"))


def reader_of(request: HttpRequest) -> User:
    """The visitor, who reads at some site.

    Raises:
        Http404: nobody, or somebody who reads nowhere.
    """
    if not isinstance(request.user, User) or not reads_somewhere(request.user):
        raise Http404
    return request.user
