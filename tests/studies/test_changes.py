"""What changed of studies is written with their change number, or not at all."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from screening.audit.actor import Actor
from screening.audit.models import AuditEvent
from screening.studies.changes import Unwritten, mark_changed
from screening.studies.models import SiteChange, Study, StudyState
from screening.studies.transitions import StudyFate, move_studies
from tests.factories import StudyFactory

pytestmark = pytest.mark.django_db
TEST = Actor.service("test")
READY = StudyFate(to=StudyState.READY, flagged=False, not_assessed=False)
FLAGGED = StudyFate(to=StudyState.READY, flagged=True, not_assessed=False)


def pairs(*studies: Study) -> list:
    return [(study.site_id, study.pk) for study in studies]


def stored(study: Study) -> tuple:
    return Study.objects.values_list("state", "flagged", "change_number").get(pk=study.pk)


def number_of(study: Study) -> int:
    return SiteChange.objects.get(pk=study.site_id).number


def test_studies_that_move_alike_are_written_once_with_their_number():
    first = StudyFactory(state=StudyState.SCREENING)
    second = StudyFactory(state=StudyState.SCREENING, site=first.site)
    unwritten = Unwritten()
    move_studies([(first, READY), (second, READY)], actor=TEST, unwritten=unwritten)

    with CaptureQueriesContext(connection) as asked:
        mark_changed(pairs(first, second), unwritten)

    writes = [one["sql"] for one in asked if one["sql"].startswith('UPDATE "studies_study"')]
    assert len(writes) == 1
    assert stored(first) == stored(second) == (StudyState.READY, False, number_of(first))
    assert Study.objects.filter(completed_at__isnull=False).count() == 2


def test_each_study_gets_its_own_columns_and_the_number_of_its_own_site():
    flagged, still, elsewhere = StudyFactory.create_batch(3, state=StudyState.SCREENING)
    Study.objects.filter(pk=still.pk).update(site=flagged.site)
    still.refresh_from_db()
    mark_changed(pairs(elsewhere))
    unwritten = Unwritten()
    move_studies([(flagged, FLAGGED), (elsewhere, READY)], actor=TEST, unwritten=unwritten)

    mark_changed(pairs(flagged, still, elsewhere), unwritten)

    assert stored(flagged) == (StudyState.READY, True, 1)
    assert stored(still) == (StudyState.SCREENING, False, 1)
    assert stored(elsewhere) == (StudyState.READY, False, 2)


def test_a_study_that_moved_and_is_not_marked_fails_the_transaction():
    moved, marked = StudyFactory.create_batch(2, state=StudyState.SCREENING)
    unwritten = Unwritten()

    def move_and_forget() -> None:
        with transaction.atomic():
            move_studies([(moved, READY)], actor=TEST, unwritten=unwritten)
            mark_changed(pairs(marked), unwritten)

    with pytest.raises(ValueError, match="not marked"):
        move_and_forget()

    assert not AuditEvent.objects.exists()
    assert stored(marked)[2] == 0


def test_without_anything_left_to_write_a_move_is_written_at_once():
    study = StudyFactory(state=StudyState.SCREENING)

    move_studies([(study, READY)], actor=TEST)

    assert stored(study) == (StudyState.READY, False, 0)
