"""Receipts, studies and models as they come out."""

from typing import Any

from rest_framework import serializers

from screening.api.shapes.base import Answer, Shape
from screening.api.shapes.uploads import ArchiveOut
from screening.results.selectors import FLAGGED, NOT_ASSESSED, NOT_FLAGGED, WAITING
from screening.review.models import Answer as ReadersAnswer
from screening.review.models import Kind

WORDS = (FLAGGED, NOT_FLAGGED, NOT_ASSESSED, WAITING)
OUTCOMES = ("scored", "inconclusive", "failed", "quarantined", "cancelled", "waiting")
ITEM_OUTCOMES = ("expected", "received", "accepted", "duplicate", "rejected", "failed", "not_sent", "cancelled")


class ResultOut(Shape):
    """What one model said about one picture."""

    model = serializers.CharField(help_text="`slug@version`.")
    outcome = serializers.ChoiceField(OUTCOMES)
    code = serializers.CharField(allow_null=True, help_text="Why there is no score.")
    flag = serializers.ChoiceField(WORDS)
    why = serializers.CharField(help_text="One sentence that says why this outcome.")
    scores = serializers.DictField(child=serializers.FloatField(), help_text="A score is not a probability.")
    thresholds = serializers.DictField(child=serializers.FloatField(), help_text="The operating points that applied.")
    flagged = serializers.BooleanField()
    model_sha256 = serializers.CharField(allow_blank=True)
    runtime = serializers.CharField(allow_blank=True)
    precision = serializers.CharField(allow_blank=True)


class ReceiptImageOut(Shape):
    """One picture of a file."""

    image = serializers.UUIDField()
    frame = serializers.IntegerField()
    modality = serializers.CharField()
    quality = serializers.ListField(child=serializers.CharField())
    results = ResultOut(many=True)


class ReceiptItemOut(Shape):
    """One path that was offered, and what became of it."""

    path = serializers.CharField(required=False, allow_null=True, help_text="Absent for callers who may not see paths.")
    item = serializers.UUIDField()
    size = serializers.IntegerField()
    sha256 = serializers.CharField(allow_blank=True)
    outcome = serializers.ChoiceField(ITEM_OUTCOMES, help_text="The first two: not terminal yet.")
    code = serializers.CharField(allow_null=True)
    message = serializers.CharField(allow_null=True)
    what_to_do = serializers.CharField(allow_null=True)
    duplicate_of = serializers.UUIDField(allow_null=True)
    study = serializers.UUIDField(allow_null=True)
    external_id = serializers.CharField(allow_null=True)
    notes = serializers.ListField(
        child=serializers.CharField(),
        help_text="Codes beside the outcome: `external_id_taken`, `external_id_kept`, `label_kept`, where the row of a "
        "side table did not reach the study.",
    )
    replaces = serializers.UUIDField(
        allow_null=True, help_text="The item of an earlier upload whose failure this file corrects."
    )
    replaced_by = serializers.UUIDField(allow_null=True, help_text="The item of a later upload that corrects this one.")
    images = ReceiptImageOut(many=True)


class ReceiptOut(Answer):
    """Every item of an upload, in one state each."""

    upload = serializers.UUIDField()
    state = serializers.CharField()
    unmatched = serializers.IntegerField(help_text="Rows of side tables for paths that no file of the upload has.")
    archives = ArchiveOut(many=True, help_text="Zips of which not every member became an item.")
    items = ReceiptItemOut(many=True)


class BoxShape(Shape):
    """A rectangle on one picture of the study: parts of its columns and rows as they are stored, to 4 places."""

    image = serializers.UUIDField(help_text="The picture, one of the study's `images`.")
    left = serializers.FloatField(help_text="From the picture's left side, 0 to 1.")
    top = serializers.FloatField(help_text="From its upper side, 0 to 1.")
    width = serializers.FloatField(help_text="Above 0; with `left` at most 1.")
    height = serializers.FloatField(help_text="Above 0; with `top` at most 1.")


class ReviewOut(Shape):
    """A reader's standing answer about one finding."""

    review = serializers.UUIDField(source="pk")
    finding = serializers.CharField()
    answer = serializers.ChoiceField(ReadersAnswer.choices)
    reason = serializers.CharField(allow_blank=True)
    comment = serializers.CharField(allow_blank=True)
    box = BoxShape(allow_null=True, help_text="Where the finding is, if the reader marked it.")
    reader = serializers.SerializerMethodField(help_text="Opaque; the same as in the audit.")
    revision = serializers.IntegerField(help_text="Which pictures of the study the answer covers.")
    kind = serializers.ChoiceField(Kind.choices, help_text="Why it was given; an `adjudication` decides.")
    blinded = serializers.BooleanField(help_text="Nothing of a model was open to the reader before it.")
    created_at = serializers.DateTimeField()

    def get_reader(self, review: Any) -> str:
        return f"user:{review.reader_id}"


class EventOut(Shape):
    """One link of the chain."""

    seq = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.CharField()
    actor = serializers.CharField()
    detail = serializers.JSONField()
    previous = serializers.CharField()
    hash = serializers.CharField()


class AuditOut(Answer):
    """Everything that happened to a study, and whether the chain is whole."""

    study = serializers.UUIDField()
    chain = serializers.CharField()
    intact = serializers.BooleanField()
    broken_at = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    events = EventOut(many=True)


class AnswerIn(Shape):
    """A reader's answer about one finding."""

    answer = serializers.ChoiceField(ReadersAnswer.choices)
    reason = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text="Needed for `not_assessable`."
    )
    box = BoxShape(
        required=False, allow_null=True, default=None, help_text="Where it is; with `present` and `unsure` alone."
    )


class ReviewIn(Shape):
    """A reader's answers about every finding of a study."""

    answers = serializers.DictField(
        child=AnswerIn(),
        help_text="By finding: each label that a model of the study raises a flag for; `unspecified` where none does.",
    )
    comment = serializers.CharField(max_length=4000, allow_blank=True, default="")
    read = serializers.UUIDField(
        required=False, help_text="The second read or adjudication that is answered: refused if it is done already."
    )


class ReviewsOut(Answer):
    """The answers as they were recorded."""

    study = serializers.UUIDField()
    reviews = ReviewOut(many=True)


class LookupIn(Shape):
    """Original identifiers: of studies, series or instances."""

    site = serializers.UUIDField(required=False, help_text="Needed only by callers that belong to several sites.")
    uids = serializers.ListField(child=serializers.RegexField(r"\A[0-9.]{1,64}\Z"), max_length=1000)


class FoundOut(Shape):
    """Which study an identifier belongs to."""

    uid = serializers.CharField()
    study = serializers.UUIDField(allow_null=True)
    external_id = serializers.CharField(allow_null=True)


class LookupOut(Answer):
    """In the order of the question."""

    results = FoundOut(many=True)


class ModelOut(Shape):
    """An active model version and its card."""

    name = serializers.CharField(help_text="`slug@version`.")
    slug = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    modality = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    flag_labels = serializers.ListField(child=serializers.CharField(), help_text="Labels that raise a flag.")
    sha256 = serializers.CharField()
    registered_at = serializers.DateTimeField()
    default = serializers.BooleanField(
        source="is_default", help_text="Whether an upload that names no model is screened with it."
    )
    card = serializers.JSONField()


class ModelsOut(Answer):
    """Active model versions."""

    results = ModelOut(many=True)
