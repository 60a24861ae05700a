"""Rows of labels to studies of an upload: what becomes a case, and what is told instead."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from screening.classes.labels import LabelRow, Problem, spelled
from screening.results.models import ModelVersion, Screening
from screening.studies.models import Image, Study, StudyState
from screening.uploads.models import Item, ItemState, Reference, Upload
from screening.uploads.paths import PathRefused, clean_path, digest

TAKEN = (ItemState.ACCEPTED, ItemState.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Matched:
    """By study its label, and every row and picture that is not in it: [line, code], line 0 for pictures."""

    labels: dict[UUID, str]
    problems: list[tuple[int, Problem]]


@dataclass(slots=True)
class _Files:
    """The files of an upload by the key of their path and by every end of it, and the study of each."""

    by_digest: dict[str, UUID] = field(default_factory=dict)  # the item
    by_end: dict[str, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    study_of: dict[UUID, UUID] = field(default_factory=dict)


def versions_of(upload: Upload) -> list[ModelVersion]:
    """The model versions that looked at studies of an upload."""
    used = Screening.objects.filter(study__in=studies_of(upload)).order_by().values("model_version_id").distinct()
    return list(ModelVersion.objects.filter(pk__in=used).defer("card"))


def studies_of(upload: Upload) -> set[UUID]:
    """The studies, kept still, that the files of an upload belong to."""
    return set(_files_of(upload).study_of.values())


def rows_sent_along(upload: Upload) -> list[LabelRow]:
    """The labels of the side table that the upload was given."""
    told = Reference.objects.filter(upload=upload).exclude(label="").order_by("pk")
    rows = enumerate(told.values_list("path_digest", "label"), start=1)
    return [LabelRow(line, "", label, key) for line, (key, label) in rows]


def match(upload: Upload, rows: Sequence[LabelRow], known: Mapping[str, str]) -> Matched:
    """Hold rows against the files of an upload.

    Args:
        upload: A finished one.
        rows: Of the table, in its order.
        known: By spelling, the labels that may be used.
    """
    files = _files_of(upload)
    problems: list[tuple[int, Problem]] = []
    said: dict[UUID, list[tuple[int, UUID, str]]] = defaultdict(list)  # by study: line, item, label
    named: set[UUID] = set()
    for row in rows:
        found = _file(files, row)
        if isinstance(found, Problem):
            problems.append((row.line, found))
            continue
        study = files.study_of.get(found)
        if study is None:
            problems.append((row.line, Problem.FILE_NOT_TAKEN))
            continue
        named.add(study)
        label = known.get(spelled(row.label))
        if label is None:
            problems.append((row.line, Problem.UNKNOWN_LABEL if row.label else Problem.MISSING_LABEL))
            continue
        said[study].append((row.line, found, label))
    labels = {study: told[0][2] for study, told in said.items() if len({label for _, _, label in told}) == 1}
    problems += _doubled(said)
    problems += [(0, Problem.PICTURE_WITHOUT_LABEL)] * len(set(files.study_of.values()) - named)
    return Matched(labels, sorted(problems))


def _doubled(said: Mapping[UUID, Sequence[tuple[int, UUID, str]]]) -> Iterable[tuple[int, Problem]]:
    for told in said.values():
        if len({label for _, _, label in told}) > 1:
            yield from ((line, Problem.CONFLICTING_LABELS) for line, _, _ in told)
            continue
        seen: set[UUID] = set()
        for line, item, _ in told:
            if item in seen:
                yield line, Problem.REPEATED_FILE
            seen.add(item)


def _file(files: _Files, row: LabelRow) -> UUID | Problem:
    if row.digest:
        return files.by_digest.get(row.digest, Problem.UNKNOWN_FILE)
    try:
        path = clean_path(row.path)
    except PathRefused:
        return Problem.UNKNOWN_FILE
    exact = files.by_digest.get(digest(path))
    if exact is not None:
        return exact
    found = files.by_end.get(path, [])
    if not found:
        return Problem.UNKNOWN_FILE
    return found[0] if len(found) == 1 else Problem.AMBIGUOUS_FILE


def _files_of(upload: Upload) -> _Files:
    files = _Files()
    hashes: dict[str, list[UUID]] = defaultdict(list)
    rows = Item.objects.filter(upload=upload).exclude(path="")
    for pk, path, key, sha256, state in rows.values_list("pk", "path", "path_digest", "sha256", "state"):
        files.by_digest[key] = pk
        names = path.split("/")
        for start in range(1, len(names)):
            files.by_end["/".join(names[start:])].append(pk)
        if state in TAKEN:
            hashes[sha256].append(pk)
    live = Image.objects.filter(site_id=upload.site_id, superseded=False).exclude(study__state=StudyState.PURGED)
    keys = list(hashes)
    for begin in range(0, len(keys), 500):
        found = live.filter(sha256__in=keys[begin : begin + 500]).order_by().values_list("sha256", "study_id")
        for sha256, study in found:
            files.study_of |= dict.fromkeys(hashes[sha256], study)
    return files


def settled(study_ids: Iterable[UUID]) -> bool:
    """Whether nothing of these studies is still on its way."""
    moving = (StudyState.RECEIVING, StudyState.SCREENING)
    return not Study.objects.filter(pk__in=set(study_ids), state__in=moving).exists()
