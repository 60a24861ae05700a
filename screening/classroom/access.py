"""Who may open what in a class. A set that is not for a visitor does not exist for them."""

from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest

from screening.classes.models import Case, ReadingSet, SetState
from screening.classes.selectors import LIVE, sets_to_read
from screening.review.models import Review
from screening.users.models import Role, Site, User
from screening.users.roles import ADMINISTRATORS, holds, sites_where


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # behind login_required
    return request.user


def site_for(request: HttpRequest, site_id: UUID) -> Site:
    """The site, if the visitor teaches there: administrators do, who see everything anyhow.

    Raises:
        Http404: there is none, or it is not for this visitor.
    """
    site = sites_where(person(request), ADMINISTRATORS).filter(pk=site_id).first()
    if site is None:
        raise Http404
    return site


def set_of_teacher(request: HttpRequest, site_id: UUID, set_id: UUID) -> ReadingSet:
    """The set of a site at which the visitor teaches.

    Raises:
        Http404: there is none, or it is not for this visitor.
    """
    site = site_for(request, site_id)
    found = ReadingSet.objects.select_related("site", "upload", "made_by").filter(pk=set_id, site=site).first()
    if found is None:
        raise Http404
    return found


def set_of_reader(request: HttpRequest, set_id: UUID) -> ReadingSet:
    """The set, open or revealed, that the visitor reads.

    Raises:
        Http404: there is none, or it is not for this visitor.
    """
    found = sets_to_read(person(request)).filter(pk=set_id).first()
    if found is None:
        raise Http404
    return found


def case_of_reader(request: HttpRequest, set_id: UUID, case_id: UUID) -> Case:
    """A case of a set that the visitor reads, with pictures that are kept.

    Raises:
        Http404: there is none, or it is not for this visitor.
    """
    found = set_of_reader(request, set_id)
    case = Case.objects.filter(LIVE, pk=case_id, reading_set=found).select_related("reading_set", "study").first()
    if case is None:
        raise Http404
    return case


def set_with_results(request: HttpRequest, set_id: UUID) -> tuple[ReadingSet, bool]:
    """A set whose results may be the visitor's to see once it is revealed, and whether they teach at its site.

    Raises:
        Http404: there is none, or it is not for this visitor.
    """
    found = ReadingSet.objects.select_related("site", "made_by").filter(pk=set_id).first()
    if found is not None and holds(person(request), found.site_id, ADMINISTRATORS):
        return found, True
    return set_of_reader(request, set_id), False


def taught_sets(user: User) -> QuerySet[ReadingSet]:
    """Sets of the sites at which somebody teaches, but for those that were discarded."""
    mine = ReadingSet.objects.filter(site__in=sites_where(user, ADMINISTRATORS))
    return mine.exclude(state=SetState.DISCARDED).select_related("site")


def reviewers_of(site_id: UUID) -> list[User]:
    """Who can be chosen to read, by name."""
    members = Q(memberships__site=site_id, memberships__role=Role.REVIEWER)
    return list(User.objects.filter(members, is_active=True).order_by("username"))


def who_know(found: ReadingSet, reader_ids: list[int]) -> list[str]:
    """Of these readers, the names of those who have answered about a study of the set on the worklist."""
    known = Review.objects.filter(reader__in=reader_ids, study__cases__reading_set=found)
    return list(known.order_by("reader__username").values_list("reader__username", flat=True).distinct())
