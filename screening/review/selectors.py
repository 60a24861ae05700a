"""Who may open what on the review pages. What a user may not see does not exist for them."""

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import Http404

from screening.studies.models import Image, Study, StudyState
from screening.users.models import User
from screening.users.roles import READERS, SEE_RESULTS, holds, sites_where

Visitor = User | AnonymousUser


def visible_studies(user: Visitor) -> QuerySet[Study]:
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


def image_for(user: Visitor, image_id: UUID) -> Image:
    """The picture, if the user may see its study.

    Raises:
        Http404: there is none, or it is not for this user.
    """
    image = Image.objects.filter(pk=image_id, study__in=visible_studies(user)).first()
    if image is None:
        raise Http404
    return image


def may_answer(user: Visitor, study: Study) -> bool:
    """Whether the user reads at the study's site."""
    return holds(user, study.site_id, READERS)


def reads_somewhere(user: Visitor) -> bool:
    """Whether the user reads at any site."""
    return sites_where(user, READERS).exists()
