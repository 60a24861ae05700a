"""What tests of numbers do again and again."""

from screening.numbers.models import PointProposal
from screening.numbers.points import propose_point
from screening.results.models import Screening
from tests.factories import ImageFactory, ScreeningFactory, StudyFactory, UploadFactory
from tests.results.test_record_outcomes import claim, commit, scored


def proposed(site, version, user, value: float = 0.3) -> PointProposal:
    return propose_point(
        site_id=site.pk, version=version, label="covid", value=value, reason="too many missed", user=user
    )


def waiting(site, version) -> Screening:
    study = StudyFactory(upload=UploadFactory(site=site, sealed=True))
    return ScreeningFactory(image=ImageFactory(study=study), model_version=version)


def screened(site, version, covid: float) -> Screening:
    row = waiting(site, version)
    lease, rows = claim(version)
    commit(lease, rows, scored(covid))
    row.refresh_from_db()
    return row
