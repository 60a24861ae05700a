"""The flags that an answer is held against."""

import pytest

from screening.review.flags import flagged_scores
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory

pytestmark = pytest.mark.django_db


def test_a_corrected_picture_flags_nothing_any_more():
    study = StudyFactory(flagged_ready=True)
    before = ImageFactory(study=study, superseded=True)
    ScreeningFactory(image=before, scored_flagged=True)

    assert flagged_scores(study) == {}

    ScreeningFactory(image=ImageFactory(study=study), scored_flagged=True, scores={"covid": 0.6})
    assert flagged_scores(study) == {"covid": 0.6}
