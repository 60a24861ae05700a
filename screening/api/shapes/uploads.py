"""Uploads as they go in and come out."""

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework import serializers

from ml.vocabulary import REFUSALS
from screening.api.shapes.base import Answer, Shape
from screening.flows.progress import progress
from screening.results.models import PENDING
from screening.uploads.models import (
    Archive,
    ArchiveState,
    ChosenModality,
    GroupBy,
    Priority,
    Upload,
    UploadState,
)


class UploadIn(Shape):
    """What an upload is opened with."""

    name = serializers.CharField(max_length=200, allow_blank=True, default="", help_text="For the uploader only.")
    site = serializers.UUIDField(required=False, help_text="Needed only by callers that belong to several sites.")
    models = serializers.ListField(
        child=serializers.CharField(max_length=100),
        max_length=20,
        default=list,
        help_text="`slug@version`, or a slug for its newest version. None: the newest of every default model.",
    )
    modality = serializers.ChoiceField(ChosenModality.choices, default=ChosenModality.AUTO)
    priority = serializers.ChoiceField(
        Priority.choices,
        default=Priority.NORMAL,
        help_text="The order of computing only; a site has a quota of urgent.",
    )
    group_by = serializers.ChoiceField(GroupBy.choices, default=GroupBy.AUTO)
    corrects = serializers.UUIDField(
        required=False,
        allow_null=True,
        default=None,
        help_text="An earlier upload of the site: files of this one replace its failures, by path.",
    )


class LimitsOut(Shape):
    """What an upload may bring."""

    file_bytes = serializers.IntegerField()
    archive_bytes = serializers.IntegerField()
    archive_entries = serializers.IntegerField()
    archive_expanded_bytes = serializers.IntegerField()
    pixels = serializers.IntegerField(help_text="Rows times columns of one frame.")
    frames = serializers.IntegerField(help_text="Of one file.")
    files = serializers.IntegerField(help_text="Items in one upload.")


class AttributeOut(Shape):
    """An attribute of DICOM headers, and in how many files each thing was done to it."""

    keyword = serializers.CharField(help_text="Of the DICOM dictionary; `private` or `unknown` for what is not in it.")
    kept = serializers.IntegerField()
    changed = serializers.IntegerField()
    removed = serializers.IntegerField()


class MethodOut(Shape):
    """One of DICOM's options of de-identification, and to how many files it was truly applied."""

    code = serializers.CharField(help_text="Of PS3.16, CID 7050.")
    meaning = serializers.CharField()
    said = serializers.CharField(help_text="What was done, in plain words.")
    files = serializers.IntegerField()


class DeidentificationOut(Answer):
    """What became of the headers of an upload's files. No value of any header is in it."""

    kinds = serializers.DictField(child=serializers.IntegerField(), help_text="Files that are told of, by kind.")
    missing = serializers.IntegerField(help_text="Accepted files that were read before this was noted.")
    attributes = AttributeOut(many=True)
    methods = MethodOut(many=True)
    plain = serializers.CharField(help_text="What holds for PNG and JPEG files.")


class ArchiveOut(Shape):
    """A zip on its way."""

    archive = serializers.UUIDField(source="pk")
    offset = serializers.IntegerField(help_text="Bytes that are stored.")
    size = serializers.IntegerField(help_text="Bytes of the whole.")
    state = serializers.ChoiceField(ArchiveState.choices)
    code = serializers.CharField(allow_null=True)
    message = serializers.CharField(allow_null=True)
    what_to_do = serializers.CharField(allow_null=True)

    def to_representation(self, instance: Archive) -> dict[str, Any]:
        refusal = REFUSALS.get(instance.code)
        return {
            "archive": str(instance.pk),
            "offset": instance.offset,
            "size": instance.size,
            "state": instance.state,
            "code": instance.code or None,
            "message": _(refusal.message) if refusal else None,
            "what_to_do": _(refusal.what_to_do) if refusal else None,
        }


class UploadBrief(Shape):
    """An upload as it was opened, and where it stands."""

    id = serializers.UUIDField()
    site = serializers.UUIDField(source="site_id")
    name = serializers.SerializerMethodField(help_text="Only for those who see its paths.")
    models = serializers.ListField(child=serializers.CharField(), source="models_chosen")
    modality = serializers.ChoiceField(ChosenModality.choices)
    priority = serializers.ChoiceField(Priority.choices)
    group_by = serializers.ChoiceField(GroupBy.choices)
    corrects = serializers.UUIDField(source="corrects_id", allow_null=True, help_text="Whose failures it replaces.")
    state = serializers.ChoiceField(UploadState.choices)
    created_at = serializers.DateTimeField()
    sealed_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    purged_at = serializers.DateTimeField(allow_null=True)

    def get_name(self, upload: Upload) -> str | None:
        return upload.name if self.context["with_paths"](upload) else None


class UploadOut(UploadBrief, Answer):
    """An upload, how far it is, and what it may bring."""

    offered = serializers.IntegerField(source="progress.offered", help_text="At any moment the sum over `items`.")
    items = serializers.DictField(
        child=serializers.IntegerField(),
        source="progress.items",
        help_text="By state: expected, received, then one of the others, which are terminal.",
    )
    screenings = serializers.DictField(
        child=serializers.IntegerField(),
        source="progress.screenings",
        help_text="By state, those that this upload asked for. Who is to answer blindly is told those that wait alone.",
    )
    archives = ArchiveOut(many=True)
    images_per_second = serializers.FloatField(source="progress.images_per_second", allow_null=True)
    estimated_end = serializers.DateTimeField(source="progress.estimated_end", allow_null=True)
    limits = LimitsOut()

    def to_representation(self, instance: Upload) -> dict[str, Any]:
        """Count first: fields read attributes."""
        told = progress(instance)
        if self.context.get("is_bound"):
            waiting = {str(state): told.screenings[state] for state in PENDING if state in told.screenings}
            told = replace(told, screenings=waiting, images_per_second=None)
        vars(instance).update(progress=told, limits=settings.CONFIG.limits)
        return super().to_representation(instance)


class UploadsOut(Answer):
    """Uploads, newest first."""

    results = UploadBrief(many=True)
    cursor = serializers.CharField(allow_null=True, help_text="Send it to read on; null at the end.")


class SealIn(Shape):
    """How many files were offered, if the client wants that checked."""

    count = serializers.IntegerField(
        min_value=0,
        required=False,
        allow_null=True,
        default=None,
        help_text="Archives and their members are not counted.",
    )


class ModelsIn(Shape):
    """Further models that are to look at the stored pictures."""

    models = serializers.ListField(child=serializers.CharField(max_length=100), min_length=1, max_length=20)


class QueuedOut(Answer):
    """How many rows an act brought back to work."""

    upload = serializers.UUIDField()
    queued = serializers.IntegerField()


class PurgedOut(Answer):
    """What was deleted. Tombstones and the audit stay."""

    purged = serializers.UUIDField()
