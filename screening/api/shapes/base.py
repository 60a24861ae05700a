"""What every answer has in common."""

from typing import Any

from rest_framework import serializers

from ml.vocabulary import DISCLAIMER

# Plain serializers: what goes in or out is never a model row as such.
Shape = serializers.Serializer[Any]


class Answer(Shape):
    """An answer of the API. It says what the service is not."""

    disclaimer = serializers.SerializerMethodField(help_text="What these results may be used for.")

    def get_disclaimer(self, _: object) -> str:
        return DISCLAIMER


class Refusal(Shape):
    """Why a request was refused."""

    code = serializers.CharField(help_text="Stable; match on it.")
    message = serializers.CharField(help_text="What happened.")
    what_to_do = serializers.CharField(help_text="What to do about it.")
    disclaimer = serializers.CharField()
