"""What every answer has in common."""

from typing import Any

from rest_framework import serializers

from ml.vocabulary import DISCLAIMER

# Plain serializers: what goes in or out is never a model row as such.
Shape = serializers.Serializer[Any]


class Question(Shape):
    """The parameters of an address. One that it does not have is refused: passed over, too much would be found."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(
                {"query": [f"There is no parameter {', '.join(unknown)[:100]!r}. There are: {', '.join(self.fields)}."]}
            )
        return attrs


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
