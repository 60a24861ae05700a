"""Studies as they are asked for and as they come out, whole or in the fields that were asked for."""

from typing import Any

from rest_framework import serializers

from screening.api.shapes.base import Answer, Question, Shape
from screening.api.shapes.results import WORDS, ResultOut, ReviewOut
from screening.api.waiting import LONGEST
from screening.studies.models import StudyState

ALWAYS = ("id", "change_number")


class StudyImageOut(Shape):
    """One picture of a study."""

    image = serializers.UUIDField()
    sha256 = serializers.CharField(help_text="Of the file as it was sent.")
    frame = serializers.IntegerField()
    modality = serializers.CharField()
    view = serializers.CharField(allow_blank=True)
    rows = serializers.IntegerField()
    columns = serializers.IntegerField()
    position = serializers.FloatField(allow_null=True, help_text="Millimetres along the slice normal.")
    quality = serializers.ListField(child=serializers.CharField())
    preview = serializers.CharField(help_text="Address of the picture as people see it.")
    heat_maps = serializers.CharField(help_text="Address of the maps that show where models looked.")
    results = ResultOut(many=True)


class SeriesOut(Shape):
    """One model on a whole CT series: the mean of the top tenth of its slices. Not validated."""

    model = serializers.CharField()
    series = serializers.CharField(help_text="Pseudonymous; empty for plain pictures.")
    outcome = serializers.CharField()
    code = serializers.CharField(allow_null=True)
    slices = serializers.IntegerField()
    scores = serializers.DictField(child=serializers.FloatField())
    thresholds = serializers.DictField(child=serializers.FloatField())
    flagged = serializers.BooleanField()


class StudyOut(Shape):
    """A study, its pictures, and what models and readers said."""

    id = serializers.UUIDField()
    site = serializers.UUIDField()
    upload = serializers.UUIDField(help_text="The last upload that brought a picture.")
    external_id = serializers.CharField(allow_null=True)
    modality = serializers.CharField()
    state = serializers.ChoiceField(StudyState.choices)
    revision = serializers.IntegerField()
    hidden = serializers.BooleanField(
        help_text="Whether you are to answer about it blindly: until then nothing of models and other readers is told."
    )
    flag = serializers.ChoiceField(
        WORDS,
        allow_null=True,
        help_text="With one picture not assessed it never reads `not flagged`; null where `hidden`.",
    )
    flagged = serializers.BooleanField(allow_null=True, help_text="Null where `hidden`.")
    not_assessed = serializers.BooleanField(allow_null=True, help_text="Null where `hidden`.")
    change_number = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    purged_at = serializers.DateTimeField(allow_null=True)
    images = StudyImageOut(many=True)
    series_results = SeriesOut(many=True)
    reviews = ReviewOut(many=True)


class StudyPartOut(StudyOut):
    """The fields of a study that were asked for, and always its `id` and `change_number`."""

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        wanted = self.context.get("fields", fields)
        for name, field in fields.items():
            field.required = name in ALWAYS
        return {name: field for name, field in fields.items() if name in wanted or name in ALWAYS}


class StudyAnswer(StudyOut, Answer):
    """One study."""


class StudiesOut(Answer):
    """Studies of one site in the order of their changes."""

    site = serializers.UUIDField()
    results = StudyOut(many=True)
    cursor = serializers.CharField(
        help_text="Where this answer ends. Keep it: sent later, it gives what has changed since."
    )
    more = serializers.BooleanField(help_text="Whether something is left after the cursor now.")


class StudyPartAnswer(StudyPartOut, Answer):
    """The fields of one study that were asked for."""

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {"disclaimer": serializers.SerializerMethodField()}


class StudiesPartOut(StudiesOut):
    """The fields that were asked for of studies in the order of their changes."""

    results = StudyPartOut(many=True)


class FieldsQuery(Question):
    """Which fields of a study are asked for."""

    fields = serializers.CharField(  # type: ignore[assignment] # a field of the shape, not the shape's own fields
        required=False,
        max_length=400,
        help_text="Names of fields of a study, separated by commas; `id` and `change_number` always come.",
    )

    def validate_fields(self, text: str) -> frozenset[str]:
        wanted = frozenset(text.split(","))
        if unknown := sorted(wanted - set(StudyOut().fields)):
            raise serializers.ValidationError(f"A study has no field {', '.join(unknown)[:100]!r}.")
        return wanted


class StudiesQuery(Question):
    """Which studies are asked for."""

    site = serializers.UUIDField(required=False, help_text="Needed only by callers that belong to several sites.")
    upload = serializers.UUIDField(required=False, help_text="Studies of which a file, or a duplicate, came with it.")
    flagged = serializers.BooleanField(required=False, allow_null=True, default=None)
    state = serializers.ChoiceField(StudyState.choices, required=False)
    model = serializers.CharField(
        required=False, max_length=100, help_text="`slug` or `slug@version` that looked at it."
    )
    external_id = serializers.CharField(required=False, max_length=120)
    changed_since = serializers.IntegerField(
        required=False, min_value=0, max_value=2**63 - 1, help_text="A `change_number`."
    )
    cursor = serializers.CharField(required=False, max_length=200, help_text="From an earlier answer.")


class StudyQuery(StudiesQuery, FieldsQuery):
    """Which studies are asked for, how many, in which fields, and how long to wait for one."""

    limit = serializers.IntegerField(required=False, min_value=1, max_value=200, default=50)
    wait = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST, default=0, help_text="Seconds to wait for a change."
    )
