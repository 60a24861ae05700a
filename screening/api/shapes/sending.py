"""Files as they are offered and sent, and side tables about them."""

from typing import Any, Final

from rest_framework import serializers

from screening.api.shapes.base import Answer, Shape
from screening.api.shapes.uploads import LimitsOut
from screening.flows.offers import STATES
from screening.uploads.models import ArchiveState

BIGGEST: Final = 2**63 - 1
HASH: Final = r"\A[0-9a-fA-F]{64}\Z"


class RawPath(serializers.CharField):
    """A path exactly as the client has it: one that cannot be taken is refused for its file, not for the request."""

    def __init__(self, *, max_length: int | None = 8192, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, max_length=max_length, **kwargs)
        self.validators = [v for v in self.validators if not type(v).__name__.startswith("Prohibit")]

    def to_representation(self, value: str) -> str:
        return value.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be sent


class OfferedIn(Shape):
    """A file that the client has."""

    path = RawPath(help_text="Relative, as the uploader knows it.")
    size = serializers.IntegerField(min_value=0, max_value=BIGGEST, help_text="Bytes.")
    sha256 = serializers.RegexField(
        HASH,
        allow_blank=True,
        help_text="Of the bytes, in hexadecimal. Empty for a file that is over the limit or cannot be read: it is "
        "refused, and stands on the receipt.",
    )


class CheckIn(Shape):
    """Up to 1,000 files that are offered."""

    files = OfferedIn(many=True)


class CheckedOut(Shape):
    """What the service says about an offered file."""

    path = RawPath()
    state = serializers.ChoiceField(STATES, help_text="Send what is `missing`; of the others nothing is needed.")
    code = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    what_to_do = serializers.CharField(allow_blank=True)
    item = serializers.UUIDField(allow_null=True)


class WarningOut(Shape):
    """Something to know, or to say yes to, before anything is sent."""

    code = serializers.CharField()
    message = serializers.CharField()
    ask = serializers.BooleanField(help_text="Whether a person should say yes first.")


class PreflightOut(Shape):
    """A summary of all that was offered to the upload so far."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()
    by_kind = serializers.DictField(child=serializers.IntegerField(), help_text="Told from the suffix.")
    studies = serializers.IntegerField()
    studies_certain = serializers.BooleanField(
        help_text="False while DICOM files are among them: those tell when read."
    )
    largest = serializers.IntegerField(help_text="Pictures in the largest study.")
    largest_file = serializers.IntegerField(help_text="Bytes.")
    missing = serializers.IntegerField()
    missing_bytes = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    refused = serializers.IntegerField()
    minutes = serializers.IntegerField(help_text="Until the last result, at the usual rate.")
    warnings = WarningOut(many=True)


class CheckOut(Answer):
    """The answer for every file, in the order of the question, and the pre-flight."""

    files = CheckedOut(many=True)
    preflight = PreflightOut()
    limits = LimitsOut()


class FilesIn(Shape):
    """Up to 50 files or 16 MiB; a larger file travels alone."""

    path = serializers.ListField(child=RawPath(), help_text="The path of each file, in the order of the files.")
    file = serializers.ListField(child=serializers.FileField(), help_text="The bytes of each file.")


class ReceivedOut(Shape):
    """What became of one file that was sent."""

    path = RawPath(max_length=None, help_text="As it was sent, however long: a path over the limit is refused by name.")
    state = serializers.CharField(help_text="`received`, another state that the item has already, or `rejected`.")
    code = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True)
    what_to_do = serializers.CharField(allow_blank=True)
    item = serializers.UUIDField(allow_null=True)


class FilesOut(Answer):
    """The answer for every file, in the order of the files. A refusal costs only its own file."""

    files = ReceivedOut(many=True)


class ArchivePartOut(Answer):
    """How much of an archive is stored."""

    archive = serializers.UUIDField()
    offset = serializers.IntegerField(help_text="Where the next part starts.")
    size = serializers.IntegerField()
    state = serializers.ChoiceField(ArchiveState.choices)


class ArchiveOffsetOut(Answer):
    """Where the next part of the zip that is arriving starts; 0 and no zip where none is."""

    archive = serializers.UUIDField(allow_null=True)
    offset = serializers.IntegerField()
    size = serializers.IntegerField(allow_null=True)
    state = serializers.ChoiceField(ArchiveState.choices, allow_null=True)


class ReferenceIn(Shape):
    """One row of a side table."""

    path = RawPath()
    external_id = serializers.CharField(
        max_length=120, allow_blank=True, default="", help_text="Opaque, unique within the site."
    )
    label = serializers.CharField(  # type: ignore[assignment] # a field of the shape, not the shape's own label
        max_length=40,
        allow_blank=True,
        default="",
        help_text="Reference truth; readers never see it before they decided.",
    )


class ReferencesIn(Shape):
    """A side table."""

    rows = ReferenceIn(many=True)


class RowRefusedOut(Shape):
    """A row that could not be taken."""

    row = serializers.IntegerField(help_text="From 0.")
    code = serializers.CharField()
    message = serializers.CharField()
    what_to_do = serializers.CharField()


class ReferencesOut(Answer):
    """How many rows were taken, and which were not."""

    taken = serializers.IntegerField(help_text="`matched` and `waiting` together.")
    matched = serializers.IntegerField(help_text="Rows of files that were offered.")
    waiting = serializers.IntegerField(help_text="Rows for paths that were not offered yet.")
    refused = RowRefusedOut(many=True)
