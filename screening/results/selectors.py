"""Questions about models and results, and the words in which every place answers them."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from ml.vocabulary import NOT_ASSESSED_TEXT, NotAssessed, marked
from screening.errors import UnknownModel
from screening.results.models import ModelVersion, Screening, ScreeningState, SiteVersion
from screening.studies.models import Study, StudyState
from screening.wording import decimal, note

FLAGGED: Final = "flagged"
NOT_FLAGGED: Final = "not flagged"  # the opposite of flagged: never negative, normal or clear
NOT_ASSESSED: Final = "not assessed"
WAITING: Final = "waiting"

_FAILURES: Final = {
    ScreeningState.FAILED: marked("the model could not read this picture"),
    ScreeningState.QUARANTINED: marked("it ended a worker twice while it ran alone"),
    ScreeningState.CANCELLED: marked("it was cancelled"),
}
NO_REASON: Final = marked("no reason was recorded")
_OTHER_CODES: Final = {
    "plane_missing": marked("its stored plane is gone"),
    "not_finite": marked("the model gave no finite score"),
    "model_unavailable": marked("the model could not be loaded"),
    "too_few_slices": marked("too few slices could be scored"),
}


def chosen_models(names: Sequence[str], *, site_id: UUID | None = None) -> list[ModelVersion]:
    """The active model versions of these names, each `slug@version` or a slug for the one its site screens with.

    None named means the default ones: what a person would be shown who knows nothing of models. A site that decided
    nothing, or none, screens with the newest.

    Raises:
        UnknownModel: a name that is not registered or not active.
    """
    active = list(ModelVersion.objects.active())
    standing = _standing(active, site_id)
    if not names:
        return _defaults(standing)
    by_name = {version.slug: version for version in standing} | {version.name: version for version in active}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise UnknownModel(_("No active model is named %(names)s.") % {"names": ", ".join(unknown)})
    return list({by_name[name].pk: by_name[name] for name in names}.values())


def still_active(names: Sequence[str]) -> list[ModelVersion]:
    """The versions that an upload chose when it was opened; for one retired since, the newest of its slug, if any.

    Without their cards, each tens of kilobytes: commits of ingest and inference ask this.
    """
    active = list(ModelVersion.objects.active().defer("card"))
    newest = {version.slug: version for version in _newest(active)}
    by_name = {version.name: version for version in active}
    found = [by_name.get(name) or newest.get(name.partition("@")[0]) for name in names]
    return list({version.pk: version for version in found if version is not None}.values())


def _standing(active: Sequence[ModelVersion], site_id: UUID | None) -> list[ModelVersion]:
    """Of every slug the version that the site decided on, if it is still active; else the newest."""
    newest = _newest(active)
    if site_id is None:
        return newest
    decided = SiteVersion.objects.filter(site_id=site_id, version__active=True).order_by("valid_from", "pk")
    by_slug = {choice.slug: choice.version for choice in decided.select_related("version")}
    return [by_slug.get(version.slug, version) for version in newest]


def _newest(active: Sequence[ModelVersion]) -> list[ModelVersion]:
    return list({version.slug: version for version in reversed(active)}.values())


def _defaults(newest: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Of some models, those whose cards make them defaults; of a modality that has none, all."""
    defaults = [version for version in newest if version.is_default]
    served = {version.modality for version in defaults}
    return [version for version in newest if version in defaults or version.modality not in served]


def flag_word(row: Screening) -> str:
    """One of the four words for a screening."""
    if row.state in {ScreeningState.WAITING, ScreeningState.LEASED}:
        return WAITING
    if row.state != ScreeningState.SCORED:
        return NOT_ASSESSED
    return FLAGGED if row.flagged else NOT_FLAGGED


def study_word(study: Study) -> str:
    """One of the four words for a study. With one picture not assessed it never reads "not flagged"."""
    if study.flagged:
        return FLAGGED
    if study.state in {StudyState.RECEIVING, StudyState.SCREENING}:
        return WAITING
    return NOT_ASSESSED if study.not_assessed or study.state == StudyState.PURGED else NOT_FLAGGED


def why(row: Screening) -> str:
    """One sentence that says why this outcome: the same on the page, in CSV and in the API."""
    if flag_word(row) == WAITING:
        return _("%(model)s has not looked at this picture yet.") % {"model": row.model_version.name}
    if row.state != ScreeningState.SCORED:
        return _("Not assessed by %(model)s: %(cause)s.") % {"model": row.model_version.name, "cause": cause(row)}
    sentence = f"{row.model_version.name}: {_against_thresholds(row)}."
    notes = [text for code in row.image.notes if (text := note(code))]
    return " ".join([sentence, *notes])


def cause(row: Screening) -> str:
    """Why a picture has no score, as the end of a sentence."""
    if row.code in set(NotAssessed):
        return _(NOT_ASSESSED_TEXT[NotAssessed(row.code)])
    return _(_OTHER_CODES.get(row.code) or _FAILURES.get(ScreeningState(row.state), NO_REASON))


def _against_thresholds(row: Screening) -> str:
    parts = [against(label, row.scores.get(label, 0.0), threshold) for label, threshold in row.thresholds.items()]
    return f"{_(flag_word(row))}: {'; '.join(parts)}"


def against(label: str, score: float, threshold: float) -> str:
    """What comes of holding a score against its operating point, as a part of a sentence."""
    told = {"label": label, "score": decimal(score, 3), "point": decimal(threshold, 3)}
    if score >= threshold:
        return _("the %(label)s score %(score)s reaches the operating point %(point)s") % told
    return _("the %(label)s score %(score)s is below the operating point %(point)s") % told
