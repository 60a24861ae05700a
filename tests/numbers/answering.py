"""Studies that readers answered, as their rows stand."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from screening.review.models import Cause, FurtherRead, Kind, ReadState, Review, Stage
from screening.studies.models import Patient, Sample, Study, StudyState
from screening.users.models import Role
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UploadFactory, UserFactory


class Ward:
    """A site whose studies one reader answers."""

    def __init__(self, site, version) -> None:
        self.site, self.version = site, version
        self.reader = UserFactory(role_at=(site, Role.REVIEWER))
        self.upload = UploadFactory(site=site, finished=True)

    def answered(
        self,
        score: float,
        answer: str,
        *,
        blinded: bool = True,
        probability: float | None = None,
        drawn: bool = True,
        kind: str = Kind.FIRST,
        point: float = 0.5,
        patient: Patient | None = None,
        days_ago: float = 1.0,
        hours: float = 2.0,
    ) -> Study:
        """One study with one picture, a score and an opening answer; with a probability it took part in a draw."""
        complete = timezone.now() - timedelta(days=days_ago)
        study = StudyFactory(
            upload=self.upload,
            state=StudyState.REVIEWED,
            reviewed_revision=1,
            flagged=score >= point,
            completed_at=complete,
            patient=patient or Patient.objects.create(site=self.site, pseudonym=uuid4().hex),
        )
        ScreeningFactory(
            image=ImageFactory(study=study),
            model_version=self.version,
            scored=True,
            scores={"covid": score, "normal": 1 - score},
            thresholds={"covid": point},
            flagged=score >= point,
            done_at=complete,
        )
        self.review(study, answer, blinded=blinded, kind=kind, at=complete + timedelta(hours=hours))
        if probability is not None:
            Sample.objects.create(
                site=self.site,
                study=study,
                revision=1,
                flagged=study.flagged,
                probability=probability,
                drawn=drawn,
                created_at=complete,
            )
        return study

    def review(self, study: Study, answer: str, *, reader=None, blinded: bool, kind: str, at=None) -> Review:
        return Review.objects.create(
            study=study,
            revision=1,
            reader=reader or self.reader,
            finding="covid",
            answer=answer,
            reason="cut off" if answer == "not_assessable" else "",
            flagged=study.flagged,
            blinded=blinded,
            kind=kind,
            created_at=at or timezone.now(),
        )

    def read_twice(self, study: Study, answer: str, *, cause: str = Cause.RANDOM, blinded: bool = True) -> None:
        """Add the answer of a second reader."""
        second = UserFactory()
        kind = Kind.SECOND_RANDOM if cause == Cause.RANDOM else Kind.SECOND_TARGETED
        self.review(study, answer, reader=second, blinded=blinded, kind=kind)
        FurtherRead.objects.create(
            site=self.site,
            study=study,
            revision=1,
            stage=Stage.SECOND,
            cause=cause,
            probability=0.2 if cause == Cause.RANDOM else None,
            state=ReadState.DONE,
            first=self.reader,
            done_by=second,
            done_at=timezone.now(),
        )

    def a_sampled_year(self, *, sampled: int = 30, missed: int = 2) -> None:
        """30 flags, of which 20 are present, and a tenth of the rest, of which some are missed."""
        for place in range(30):
            self.answered(0.6 + place / 100, "present" if place < 20 else "absent", probability=1.0)
        for place in range(sampled):
            answer = "present" if place < missed else "absent"
            self.answered(0.1 + place / 1000, answer, probability=0.1, kind=Kind.SAMPLED)
