"""Results of a set as tables: the figures of its page, and every answer that was ever given."""

from collections.abc import Iterator
from datetime import UTC

from ml.statistics import Interval
from ml.vocabulary import DISCLAIMER
from screening.classes.figures import Judge, Share
from screening.classes.models import ClassAnswer, ModelAnswer, ReadingSet
from screening.classroom.results_page import Results

FIGURES = ("who", "kind", "figure", "value", "low", "high", "n")
ANSWERS = ("case", "truth", "present", "who", "kind", "answer", "number", "stands", "score", "operating_point", "at")
NOT_YET = "not known yet"
Row = tuple[object, ...]


def figure_rows(found: ReadingSet, results: Results) -> Iterator[Row]:
    """Every figure of the page; what cannot be told says so in its value."""
    yield ("disclaimer", "", DISCLAIMER, "", "", "", "")
    yield (harmless(found.name), "set", "cases", len(results.cases), "", "", "")
    yield (harmless(found.name), "set", "present", results.present, "", "", len(results.cases))
    for reader in results.readers:
        who = harmless(reader.name)
        yield (who, "reader", "answered", reader.answered, "", "", len(results.cases))
        yield (who, "reader", "unsure", reader.unsure, "", "", reader.answered)
        yield (who, "reader", "not assessable", reader.not_assessable, "", "", reader.answered)
        yield from _judge(who, "reader", reader.judge)
    for model in results.models:
        who = model.version.name
        yield (who, "model", "not assessed", model.not_assessed, "", "", model.cases)
        yield from _judge(who, "model", model.judge)
    for one, two, told in results.pairs:
        pair = f"{harmless(one)} / {harmless(two)}"
        yield (pair, "two readers", "kappa", _told(told.value), *_ends(told.interval), told.n)


def _judge(who: str, kind: str, judge: Judge) -> Iterator[Row]:
    yield (who, kind, "sensitivity", *_share(judge.sensitivity))
    yield (who, kind, "specificity", *_share(judge.specificity))
    yield (who, kind, "kappa against truth", _told(judge.kappa.value), *_ends(judge.kappa.interval), judge.kappa.n)


def _share(share: Share) -> Row:
    return (_told(share.value), *_ends(share.interval), share.of)


def answer_rows(found: ReadingSet) -> Iterator[Row]:
    """Every answer, those that were replaced too, and what each model had said."""
    given = list(ClassAnswer.objects.filter(case__reading_set=found).select_related("case", "reader"))
    last = {(one.case_id, one.reader_id): one.seq for one in sorted(given, key=lambda one: one.seq)}
    yield ("disclaimer", DISCLAIMER, *[""] * (len(ANSWERS) - 2))
    for one in sorted(given, key=lambda one: (one.case.number, one.reader.username, one.seq)):
        stands = last[one.case_id, one.reader_id] == one.seq
        case, at = one.case, one.at.astimezone(UTC).isoformat(timespec="seconds")
        told = (harmless(one.reader.username), "reader", one.answer, one.seq, _yes(stands), "", "", at)
        yield (case.number, harmless(case.truth), _yes(case.present), *told)
    said = ModelAnswer.objects.filter(case__reading_set=found).select_related("case", "model_version")
    for row in sorted(said, key=lambda row: (row.case.number, row.model_version.name)):
        told = (row.model_version.name, "model", row.word, 1, "yes", _told(row.score, ""), _told(row.point, ""), "")
        yield (row.case.number, harmless(row.case.truth), _yes(row.case.present), *told)


def _yes(so: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if so else "no"


def _told(value: float | None, otherwise: str = NOT_YET) -> str:
    return otherwise if value is None else f"{value:.4f}"


def _ends(interval: Interval | None) -> tuple[str, str]:
    return (f"{interval.low:.4f}", f"{interval.high:.4f}") if interval else ("", "")


def harmless(text: str) -> str:
    """A text that no program for tables takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
