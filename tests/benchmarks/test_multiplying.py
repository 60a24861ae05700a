"""That a site made large by copying is one that might have grown so: what the benchmarks of lists ask."""

from datetime import timedelta

import pytest
from django.utils import timezone

from screening.demo.drawn import BETWEEN_COMMITS
from screening.studies.models import SiteChange, Study
from tests.benchmarks.multiplying import MOST, multiplied
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UploadFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_copy_is_whole_and_comes_after_the_one_before():
    upload = UploadFactory(finished=True, idempotency_key="demo")
    first = timezone.now().replace(microsecond=0) - timedelta(days=3)
    for minutes in (0, 30):
        moment = first + timedelta(minutes=minutes)
        study = StudyFactory(upload=upload, ready=True, completed_at=moment, change_number=7, external_id=f"e{minutes}")
        ScreeningFactory(image=ImageFactory(study=study, sha256=f"{minutes:064d}"[::-1]), scored=True)
    SiteChange.objects.update_or_create(site=upload.site, defaults={"number": 7})

    multiplied(16)

    span = timedelta(minutes=30) + BETWEEN_COMMITS
    studies = list(Study.objects.order_by("completed_at"))
    assert len(studies) == 34
    assert [study.completed_at for study in studies[::2]] == [first + copy * span for copy in range(17)]
    assert [study.change_number for study in studies[::2]] == [7 * (copy + 1) for copy in range(17)]
    assert SiteChange.objects.get(site=upload.site).number == 7 * 17
    for study in studies:
        screening = study.screenings.get()
        assert screening.image == study.images.get()
        assert screening.upload == study.upload
    assert len({study.upload_id for study in studies}) == 17


def test_more_copies_than_identifiers_can_tell_apart_are_refused():
    with pytest.raises(ValueError, match=str(MOST)):
        multiplied(MOST + 1)
