"""Which studies somebody still has to do with, so that nothing takes them away unread."""

from django.db.models import Exists, OuterRef, Q

from screening.review.claims import standing
from screening.review.models import Claim, FurtherRead, ReadState
from screening.studies.models import Sample, StudyState
from screening.users.models import Reads, Site

UNREAD = (StudyState.READY, StudyState.INCOMPLETE)


def waits_for_a_reader(site: Site) -> Q:
    """Of a site's studies: those that its policy gives to somebody to read, and nobody has answered yet."""
    unread = Q(state__in=UNREAD)
    if site.reads != Reads.ALL:
        drawn = Sample.objects.filter(study=OuterRef("pk"), revision=OuterRef("revision"), drawn=True)
        unread &= Q(flagged=True) | Q(not_assessed=True) | Q(Exists(drawn))
    further = FurtherRead.objects.filter(study=OuterRef("pk"), revision=OuterRef("revision"), state=ReadState.WAITING)
    return unread | Q(Exists(further))


def is_being_read() -> Q:
    """Of studies: those that a reader has open just now."""
    return Q(Exists(Claim.objects.filter(standing(), study=OuterRef("pk"))))
