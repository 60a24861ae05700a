"""What STOW-RS answers: of every object whether it was stored (PS3.18, 10.5 and annex I)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from screening.dicomweb.answers import Tags, told
from screening.dicomweb.identity import Identity

# Failure reasons, PS3.18, table I.2-2, and PS3.4, table B.2-1.
TOO_LARGE: Final = 0xA700
WRONG_STUDY: Final = 0xA900
NOT_UNDERSTOOD: Final = 0xC000

RETRIEVE_URL: Final = "00081190"
FAILED: Final = "00081198"
STORED: Final = "00081199"
Address = Callable[[Identity], tuple[str, str]]  # of the study and of the object, under their pseudonyms


@dataclass(slots=True)
class Report:
    """Objects of one request by what became of them."""

    stored: list[Identity] = field(default_factory=list)
    failed: list[tuple[Identity | None, int]] = field(default_factory=list)

    @property
    def status(self) -> int:
        """200: all are stored; 202: some; 409: none."""
        if not self.failed:
            return 200
        return 202 if self.stored else 409

    def as_json(self, address: Address) -> Tags:
        """Give the answer in the DICOM JSON model. It names objects as the sender did."""
        answer: Tags = {}
        where = [address(one) for one in self.stored]
        if len(studies := {study for study, _ in where}) == 1:
            answer[RETRIEVE_URL] = told("UR", *studies)
        if self.failed:
            answer[FAILED] = told("SQ", *({**_named(one), "00081197": told("US", why)} for one, why in self.failed))
        if self.stored:
            pairs = zip(self.stored, where, strict=True)
            answer[STORED] = told("SQ", *({**_named(one), RETRIEVE_URL: told("UR", own)} for one, (_, own) in pairs))
        return answer


def _named(identity: Identity | None) -> Tags:
    if identity is None:  # nothing of it could be read
        return {"00081150": told("UI"), "00081155": told("UI")}
    return {"00081150": told("UI", identity.sop_class), "00081155": told("UI", identity.instance)}
