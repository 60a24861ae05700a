"""Heat maps as they come out, and how one is asked for."""

from rest_framework import serializers

from screening.api.shapes.base import Answer, Shape
from screening.results.heat import NOT_ASKED

STATES = ("waiting", "drawn", "failed", NOT_ASKED)


class HeatMapOut(Shape):
    """Where a model looked for one label of one picture. It decides nothing."""

    model = serializers.CharField(help_text="`slug@version`.")
    label = serializers.CharField()  # type: ignore[assignment] # a field of the shape, not the shape's own label
    score = serializers.FloatField()
    state = serializers.ChoiceField(STATES)
    code = serializers.CharField(allow_null=True, help_text="Why it could not be drawn.")
    why = serializers.CharField(help_text="One sentence that says what the map tells.")
    outside = serializers.FloatField(
        allow_null=True, help_text="Part of the heat outside the central field; null without heat."
    )
    altered = serializers.DictField(
        child=serializers.FloatField(),
        help_text="The score of the picture whole (`original`), with the lungs blanked, and of its border alone.",
    )
    method = serializers.CharField(allow_null=True)
    field = serializers.CharField(allow_null=True, help_text="Version of the central field.")
    raw = serializers.CharField(allow_null=True, help_text="Address of the map alone: PNG, gray, 255 is hottest.")
    overlay = serializers.CharField(allow_null=True, help_text="Address of the map over the preview: JPEG.")


class HeatMapsOut(Answer):
    """Every map of one picture, and for each model its leading label if that has none."""

    image = serializers.UUIDField()
    caveat = serializers.CharField()
    results = HeatMapOut(many=True)


class HeatMapIn(Shape):
    """Which map is to be drawn."""

    model = serializers.CharField(max_length=100, help_text="`slug@version`.")
    label = serializers.CharField(max_length=40)  # type: ignore[assignment] # as above
