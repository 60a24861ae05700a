"""The results of a revealed set as its page and its tables show them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from screening.classes.figures import (
    Agreement,
    Judge,
    Spread,
    Truth,
    Votes,
    against_truth,
    majority,
    pairs_of,
    spread_of,
)
from screening.classes.models import DECIDED, Case, ClassAnswer, ModelAnswer, ReadingSet, Said
from screening.results.models import Explanation, ExplanationState, ModelVersion
from screening.results.selectors import FLAGGED, NOT_FLAGGED
from screening.review.cards import Altered, demo_of
from screening.studies.draws import chance
from screening.users.models import User

PAIRS_TOLD: Final = 45  # of ten readers; of more the page gives mean and range, and the table all
ALTERED_TOLD: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLine:
    """One reader of the class."""

    key: int
    name: str
    is_me: bool
    answered: int
    unsure: int
    not_assessable: int
    judge: Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A case on which most of the class and a model differ."""

    case: Case
    present: int
    absent: int
    other: int
    class_says: str
    model_says: str
    score: float | None
    is_class_right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanked:
    """A case of the set with parts of its picture taken away, as the model scored it."""

    case: Case
    whole: float
    no_lungs: float | None
    border_only: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLine:
    """One model version beside the class."""

    version: ModelVersion
    words: Mapping[int, str]  # by number of a case
    points: tuple[float, ...]
    not_assessed: int
    judge: Judge
    apart: tuple[Apart, ...]
    unassessed_cases: tuple[Case, ...]
    demo: tuple[Altered, ...]
    blanked: tuple[Blanked, ...]

    @property
    def cases(self) -> int:
        return len(self.words)

    @property
    def assessed(self) -> int:
        return self.cases - self.not_assessed


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLine:
    """One case with all that was said of it."""

    case: Case
    present: int
    absent: int
    other: int
    mine: str
    words: tuple[str, ...]  # of the models, in the order of `Results.models`; empty: it is not made for such pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that a revealed set shows."""

    cases: tuple[CaseLine, ...]
    present: int
    readers: tuple[ReaderLine, ...]
    models: tuple[ModelLine, ...]
    pairs: tuple[tuple[str, str, Agreement], ...]
    spread: Spread | None

    @property
    def absent(self) -> int:
        return len(self.cases) - self.present

    @property
    def pairs_shown(self) -> tuple[tuple[str, str, Agreement], ...]:
        return self.pairs if len(self.pairs) <= PAIRS_TOLD else ()


Answers = dict[int, dict[int, str]]  # by reader, by number of a case: the answer that stands


def results_of(found: ReadingSet, viewer: User, *, teaches: bool) -> Results:
    """Compute everything about a revealed set.

    Who teaches sees the names of all readers; a reader sees themself and numbers: figures of a student are theirs.
    """
    cases = list(found.cases.select_related("study"))
    truths = [Truth(case.number, case.present, str(case.study.patient_id or case.study_id)) for case in cases]
    answers = _answers(found)
    votes = {reader: _votes(said) for reader, said in answers.items()}
    names = _names(found, viewer, teaches=teaches)
    readers = [_reader(key, names[key], key == viewer.pk, answers[key], truths) for key in names]
    pairs = [(names[one], names[two], told) for one, two, told in pairs_of({key: votes[key] for key in names}, truths)]
    models = _models(found, cases, truths, answers)
    return Results(
        cases=tuple(_case(case, answers, models, viewer) for case in cases),
        present=sum(case.present for case in cases),
        readers=tuple(readers),
        models=tuple(models),
        pairs=tuple(pairs),
        spread=spread_of([told for _, _, told in pairs]),
    )


def _answers(found: ReadingSet) -> Answers:
    said: Answers = {key: {} for key in found.seats.values_list("reader_id", flat=True)}
    given = ClassAnswer.objects.filter(case__reading_set=found).order_by("seq")
    for reader, number, answer in given.values_list("reader_id", "case__number", "answer"):
        said[reader][number] = answer
    return said


def _votes(said: Mapping[int, str]) -> Votes:
    return {number: answer == Said.PRESENT for number, answer in said.items() if answer in DECIDED}


def _names(found: ReadingSet, viewer: User, *, teaches: bool) -> dict[int, str]:
    seats = list(found.seats.select_related("reader"))
    if teaches:
        return {seat.reader_id: seat.reader.username for seat in seats}
    mixed = sorted(seats, key=lambda seat: chance(found.order_key, "name", seat.reader_id))
    others = [seat.reader_id for seat in mixed if seat.reader_id != viewer.pk]
    named = {key: _("Reader %(n)d") % {"n": number} for number, key in enumerate(others, start=1)}
    return {viewer.pk: viewer.username, **named}


def _reader(key: int, name: str, is_me: bool, said: Mapping[int, str], truths: Sequence[Truth]) -> ReaderLine:  # noqa: FBT001 - one call
    counted = Counter(said.values())
    return ReaderLine(
        key=key,
        name=name,
        is_me=is_me,
        answered=len(said),
        unsure=counted[Said.UNSURE],
        not_assessable=counted[Said.NOT_ASSESSABLE],
        judge=against_truth(truths, _votes(said)),
    )


def _counted(answers: Answers, number: int) -> tuple[int, int, int]:
    """How many readers said present, absent, and neither."""
    said = Counter(given[number] for given in answers.values() if number in given)
    return said[Said.PRESENT], said[Said.ABSENT], said[Said.UNSURE] + said[Said.NOT_ASSESSABLE]


def _case(case: Case, answers: Answers, models: Sequence["ModelLine"], viewer: User) -> CaseLine:
    present, absent, other = _counted(answers, case.number)
    mine = answers.get(viewer.pk, {}).get(case.number, "")
    return CaseLine(
        case=case,
        present=present,
        absent=absent,
        other=other,
        mine=str(Said(mine).label).lower() if mine else "",
        words=tuple(model.words.get(case.number, "") for model in models),
    )


def _models(found: ReadingSet, cases: Sequence[Case], truths: Sequence[Truth], answers: Answers) -> list[ModelLine]:
    by_version: dict[UUID, list[ModelAnswer]] = defaultdict(list)
    for said in ModelAnswer.objects.filter(case__reading_set=found).order_by("case__number"):
        by_version[said.model_version_id].append(said)
    versions = ModelVersion.objects.in_bulk(by_version)
    lines = [_model(versions[key], told, cases, truths, answers) for key, told in by_version.items()]
    return sorted(lines, key=lambda line: line.version.name)


def _model(
    version: ModelVersion,
    told: Sequence[ModelAnswer],
    cases: Sequence[Case],
    truths: Sequence[Truth],
    answers: Answers,
) -> ModelLine:
    case_of = {case.pk: case for case in cases}
    words = {case_of[one.case_id].number: one for one in told}
    votes = {number: one.word == FLAGGED for number, one in words.items() if one.word in {FLAGGED, NOT_FLAGGED}}
    unassessed = tuple(case for case in cases if case.number in words and case.number not in votes)
    finding = cases[0].reading_set.finding
    return ModelLine(
        version=version,
        words={number: one.word for number, one in words.items()},
        points=tuple(sorted({one.point for one in told if one.point is not None})),
        not_assessed=len(unassessed),
        judge=against_truth(truths, votes),
        apart=tuple(_apart(cases, answers, votes, words)),
        unassessed_cases=unassessed,
        demo=tuple(demo_of(version)),
        blanked=tuple(_blanked(version, finding, cases)),
    )


def _apart(cases: Sequence[Case], answers: Answers, votes: Votes, words: Mapping[int, ModelAnswer]) -> list[Apart]:
    judges = [_votes(said) for said in answers.values()]
    found = []
    for case in cases:
        most = majority(judges, case.number)
        if most is None or case.number not in votes or votes[case.number] == most:
            continue
        present, absent, other = _counted(answers, case.number)
        found.append(
            Apart(
                case=case,
                present=present,
                absent=absent,
                other=other,
                class_says="present" if most else "absent",
                model_says=words[case.number].word,
                score=words[case.number].score,
                is_class_right=most == case.present,
            )
        )
    return found


def _blanked(version: ModelVersion, finding: str, cases: Sequence[Case]) -> list[Blanked]:
    """Cases whose heat map was drawn: then the model was also asked about the picture without its lungs."""
    case_of = {case.study_id: case for case in cases}
    drawn = Explanation.objects.filter(
        screening__study__in=list(case_of), model_version=version, label=finding, state=ExplanationState.DRAWN
    )
    found: dict[UUID, Blanked] = {}
    for study, altered in drawn.order_by("done_at").values_list("screening__study_id", "altered"):
        if "original" in altered:
            found[study] = Blanked(
                case=case_of[study],
                whole=altered["original"],
                no_lungs=altered.get("no_lungs"),
                border_only=altered.get("border_only"),
            )
    return sorted(found.values(), key=lambda one: one.case.number)[:ALTERED_TOLD]
