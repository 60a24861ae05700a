"""A class for tests: a site, its teacher and students, and an upload of drawn cases whose truth is known."""

from dataclasses import dataclass, field

from screening.classes.answering import record_answer
from screening.classes.labels import LabelRow
from screening.classes.models import Case, ReadingSet
from screening.classes.revealing import reveal_set
from screening.classes.services import choose_readers, make_set, open_set
from screening.results.models import ModelVersion, ScreeningState
from screening.studies.models import Study
from screening.uploads.models import Upload
from screening.uploads.paths import digest
from screening.users.models import Role, Site, User
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)

POINT = 0.5
# Of each case: its truth and the score of the model; None: not assessed.
CASES: tuple[tuple[str, float | None], ...] = (
    *(("covid", 0.9),) * 5,
    ("covid", 0.2),
    *(("normal", 0.1),) * 5,
    ("normal", 0.8),
    ("normal", None),
)


@dataclass
class Taught:
    site: Site
    teacher: User
    students: list[User]
    version: ModelVersion
    upload: Upload
    studies: list[Study] = field(default_factory=list)
    truths: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[LabelRow]:
        return [LabelRow(line, path_of(line - 2), truth) for line, truth in enumerate(self.truths, start=2)]

    def make(self, rows: list[LabelRow] | None = None) -> ReadingSet:
        return make_set(
            upload=self.upload,
            name="Monday",
            finding="covid",
            rows=self.rows if rows is None else rows,
            teacher=self.teacher,
        )

    def opened(self, *students: User) -> ReadingSet:
        made = self.make()
        readers = [user.pk for user in students or self.students]
        choose_readers(set_id=made.pk, reader_ids=readers, teacher=self.teacher)
        return open_set(set_id=made.pk, teacher=self.teacher)

    def answer_rightly(self, found: ReadingSet, student: User, *, but: tuple[int, ...] = ()) -> None:
        """Answer every case by its truth, and those with these numbers the other way round."""
        for case in found.cases.all():
            said = case.present != (case.number in but)
            record_answer(case_id=case.pk, reader=student, answer="present" if said else "absent")

    def revealed(self) -> ReadingSet:
        """A set that every student has read without an error."""
        found = self.opened()
        for student in self.students:
            self.answer_rightly(found, student)
        return reveal_set(set_id=found.pk, teacher=self.teacher)


def path_of(place: int) -> str:
    return f"phantoms/case-{place:02}.png"


def a_class(*, students: int = 3, cases=CASES, **policy) -> Taught:
    site = SiteFactory(name="Class 3b", draw_key="k" * 64, **policy)
    version = ModelVersionFactory(slug="xray-class", labels=["covid", "pneumonia", "normal"], threshold=POINT)
    teacher = UserFactory(username="tea", role_at=(site, Role.ADMIN))
    readers = [UserFactory(username=f"student{n}", role_at=(site, Role.REVIEWER)) for n in range(1, students + 1)]
    upload = UploadFactory(site=site, created_by=teacher, name="Phantoms", finished=True, models_chosen=[version.name])
    taught = Taught(site, teacher, readers, version, upload)
    for place, (truth, score) in enumerate(cases):
        taught.truths.append(truth)
        taught.studies.append(a_case(taught, place, score))
    return taught


def a_case(taught: Taught, place: int, score: float | None) -> Study:
    study = StudyFactory(upload=taught.upload, **{"incomplete" if score is None else "ready": True})
    image = ImageFactory(study=study, sha256=f"{place:064x}", not_assessed="not_chest" if score is None else "")
    path = path_of(place)
    ItemFactory(
        upload=taught.upload,
        accepted=True,
        path=path,
        path_digest=digest(path),
        sha256=image.sha256,
        study_id=study.pk,
    )
    if score is None:
        row = {"state": ScreeningState.INCONCLUSIVE, "code": "not_chest"}
    else:
        scores = {"covid": score, "pneumonia": 0.0, "normal": round(1 - score, 3)}
        row = {"scored": True, "scores": scores, "thresholds": {"covid": POINT}, "flagged": score >= POINT}
    ScreeningFactory(image=image, model_version=taught.version, **row)
    return study


def case_of(found: ReadingSet, study: Study) -> Case:
    return found.cases.get(study=study)
