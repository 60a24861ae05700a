"""Keyed pseudonyms: the same identifier always becomes the same pseudonym, within one site only."""

from typing import Final

from ml.vocabulary import keyed_digest, pseudonymous_uid

OLDEST_SHIFT: Final = 3650  # days


class Pseudonyms:
    """What a site's key makes of identifiers. Without the key none can be checked or undone."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def uid(self, original: str) -> str:
        """Give a valid UID (`2.25.` and a UUID) for a DICOM UID, whatever the original looks like."""
        return pseudonymous_uid(self._key, original)

    def patient(self, patient_id: str, issuer: str = "") -> str:
        """Give 32 hexadecimal digits for a patient, by PatientID and IssuerOfPatientID."""
        return self._digest("patient", issuer.strip(" \0"), patient_id.strip(" \0"))[:16].hex()

    def days(self, patient: str) -> int:
        """Give by how many days (1 to 3650) the dates of a patient, given as pseudonym, go back."""
        return 1 + int.from_bytes(self._digest("days", patient)[:8], "big") % OLDEST_SHIFT

    def _digest(self, purpose: str, *parts: str) -> bytes:
        return keyed_digest(self._key, purpose, *parts)
