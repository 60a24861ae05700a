"""Rows of the database and values of `ml`, each in the other's words."""

from ml.images.records import Picture, Processed
from ml.inference import Identity, Outcome
from ml.vocabulary import Note
from screening.studies.values import IngestedFile, IngestedPicture, ModelIdentity, ScreenOutcome


def ingested_file(processed: Processed) -> IngestedFile:
    """What ingest hands over about a file that was read."""
    return IngestedFile(
        kind=processed.kind,
        source_name=processed.source_name,
        pixels_sha256=processed.pixels_sha256,
        pictures=tuple(_picture(picture) for picture in processed.pictures),
        study_uid=processed.study_uid or "",
        series_uid=processed.series_uid or "",
        instance_uid=processed.instance_uid or "",
        patient=processed.patient or "",
        facts=dict(processed.facts),
        timings=dict(processed.timings),
        deidentified=dict(processed.deidentified),
        methods=processed.methods,
        pipeline=processed.pipeline,
    )


def _picture(picture: Picture) -> IngestedPicture:
    return IngestedPicture(
        frame=picture.frame,
        modality=picture.modality.value,
        view=picture.view,
        rows=picture.rows,
        columns=picture.columns,
        notes=tuple(_note(note, picture) for note in picture.notes),
        not_assessed=picture.not_assessed.value if picture.not_assessed else "",
        plane_sha256=picture.plane_sha256,
        position=picture.position,
    )


def _note(note: Note, picture: Picture) -> str:
    return f"{note.value}:{picture.masked}" if note is Note.TEXT_MASKED else note.value


def model_identity(identity: Identity) -> ModelIdentity:
    """Which model answered, as it is stored with every result."""
    return ModelIdentity(
        name=identity.name, sha256=identity.sha256, runtime=identity.runtime, precision=identity.precision
    )


def screen_outcome(outcome: Outcome) -> ScreenOutcome:
    """What a model said about one picture."""
    return ScreenOutcome(
        kind=outcome.kind, scores=dict(outcome.scores), code=outcome.code or "", distance=outcome.distance
    )
