"""What is answered while a document is being made."""

from rest_framework import serializers

from screening.api.shapes.base import Answer
from screening.flows.documents import Kind


class BeingMadeOut(Answer):
    """A document that is not there yet: ask again after `Retry-After` seconds."""

    study = serializers.UUIDField()
    document = serializers.ChoiceField([kind.value for kind in Kind])
    state = serializers.SerializerMethodField(help_text="Always `being made`.")

    def get_state(self, _: object) -> str:
        return "being made"
