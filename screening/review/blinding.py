"""What a reviewer may not see yet: everything that models, and other readers, said about a study.

It binds reviewers. Staff, integrators and administrators see results in receipts and lists, so what an administrator
answers never counts as blinded. Once somebody has answered about a study, nothing of it is hidden from them again,
unless they read it in a class: until the reveal of the set it is closed to them. docs/reading.md says what follows for
figures, docs/class.md what a class is.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from screening.classes.selectors import closed_seats, closed_studies
from screening.prepared import Prepared
from screening.review.models import FurtherRead, ReadState, Review
from screening.studies.models import Sample, Study, StudyState
from screening.users.models import Membership, Role, Site, User
from screening.users.roles import READERS, sites_of

BOUND = (Role.REVIEWER,)
ON_ITS_WAY = (StudyState.RECEIVING, StudyState.SCREENING)
NOTHING = Q(pk__in=())


class Veil:
    """What is hidden from one user. Ask it once for a page: it remembers the policies of the user's sites."""

    def __init__(self, user: User | AnonymousUser, *, role: str | None = None) -> None:
        """Hide from a user what they are bound by.

        Args:
            user: Who looks.
            role: Theirs at the one site that is asked about, if it was just read: for who is not bound nothing is read.
        """
        self.user = user
        self._is_free = role is not None and role not in BOUND

    @cached_property
    def reading(self) -> list[Site]:
        """Where the user reads. One query, which also tells where they are bound, and what earlier policies left."""
        return _READING(self.user.pk) if isinstance(self.user, User) else []

    @property
    def sites(self) -> list[Site]:
        """Where the user is bound."""
        return [] if self._is_free else [site for site in self.reading if vars(site)["is_bound"]]

    @property
    def overseen(self) -> list[Site]:
        """Where the user reads without being bound, as an administrator, and a read may wait."""
        return [site for site in self.reading if vars(site)["is_left"] and not vars(site)["is_bound"]]

    @property
    def class_sites(self) -> list[UUID]:
        """Of them, those at which the user reads in a class whose set is not revealed."""
        return [site.pk for site in self.sites if vars(site)["has_class"]]

    @property
    def in_class(self) -> Q:
        """The condition under which a study is closed to the user: they are shown its pictures, and nothing else."""
        if not self.class_sites:
            return NOTHING
        return Q(closed_studies(self.user.pk), site__in=self.class_sites)

    @cached_property
    def class_sets(self) -> list[UUID]:
        """The sets that close studies to the user."""
        if not self.class_sites:
            return []
        return sorted(closed_seats(self.user.pk).order_by().values_list("reading_set", flat=True))

    @property
    def blinded_sites(self) -> list[UUID]:
        """Of them, those at which every study is hidden."""
        return [site.pk for site in self.sites if site.blinded_since]

    def binds(self, site_id: UUID) -> bool:
        """Whether studies of a site are hidden from the user as they come."""
        return site_id in self.class_sites or any(
            site.pk == site_id and (site.blinded_since or site.sample_share) for site in self.sites
        )

    @cached_property
    def is_thin(self) -> bool:
        """Whether nothing can be hidden: no policy hides anything, and nothing is left of an earlier one."""
        return not self.class_sites and not any(
            site.blinded_since or site.sample_share or vars(site)["is_left"] for site in self.sites
        )

    @property
    def over(self) -> Q:
        """The condition under which a study is hidden."""
        if self.is_thin:
            return NOTHING
        here = {"study": OuterRef("pk"), "revision": OuterRef("revision")}
        standing = Review.objects.filter(**here, superseded_by__isnull=True)
        sampling = [site.pk for site in self.sites if site.sample_share]
        closed = (
            Q(site__in=self.blinded_sites)
            | Q(site__in=sampling, state__in=ON_ITS_WAY)  # it may yet be drawn
            | Q(Exists(Sample.objects.filter(**here, drawn=True)), ~Exists(standing))
            | Q(Exists(FurtherRead.objects.filter(**here, state=ReadState.WAITING)))
        )
        opinion = Exists(Review.objects.filter(study=OuterRef("pk"), reader_id=self.user.pk))
        return Q(~opinion, closed, site__in=[site.pk for site in self.sites]) | self.in_class

    def hides(self, study_ids: Iterable[UUID]) -> set[UUID]:
        """Of these studies, those that are hidden."""
        if self.is_thin:
            return set()
        return set(Study.objects.filter(self.over, pk__in=set(study_ids)).values_list("pk", flat=True))


def _reading(user_id: int) -> QuerySet[Site]:
    bound = Membership.objects.filter(site=OuterRef("pk"), user_id=user_id, role__in=BOUND)
    waiting = FurtherRead.objects.filter(site=OuterRef("pk"), state=ReadState.WAITING)
    drawn = Sample.objects.filter(site=OuterRef("pk"), drawn=True)
    seats = closed_seats(user_id).filter(reading_set__site=OuterRef("pk"))
    found = sites_of(user_id, READERS).annotate(is_bound=Exists(bound), has_class=Exists(seats))
    return found.annotate(is_left=Exists(waiting) | Exists(drawn))


_READING: Final = Prepared(_reading)


def is_hidden(user: User | AnonymousUser, study: Study) -> bool:
    """Whether a study is still to be answered blindly by the user."""
    return study.pk in Veil(user).hides([study.pk])
