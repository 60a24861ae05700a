"""De-identification of DICOM objects: a new object, built of what the table allows and nothing else."""

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, cast

from pydicom import DataElement, Dataset, FileDataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from ml.images.deidentify_table import (
    DATES,
    EMPTIED,
    NAMED,
    NUMBERS,
    PIXELS,
    SEQUENCES,
    TABLES,
    UIDS,
    WORDS,
)
from ml.images.header import numbers, uid, word
from ml.images.pseudonyms import Pseudonyms

STANDARD_ROOT: Final = "1.2.840.10008."
IMPLEMENTATION: Final = UID("2.25.266138702913417127352826014459143268011")
DEEPEST: Final = 8  # nested sequences; the standard's own image objects need 3
NUMBER_TEXT: Final = re.compile(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?")
NUMBER_VRS: Final = {"US", "SS", "UL", "SL", "FL", "FD", "DS", "IS", "US or SS"}
AGE: Final = re.compile(r"([0-9]{3})([DWMY])")
OLDEST: Final = 90  # years; every higher age is told as this
METHOD: Final = "Attribute allow-list; keyed pseudonyms; dates shifted"


@dataclass(slots=True)
class Deidentified:
    """A de-identified object, and by keyword what was done to the original."""

    dataset: FileDataset
    kept: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, dict[str, int]]:
        """Give the counts by keyword; no value of the original is among them."""
        return {name: dict(sorted(getattr(self, name).items())) for name in ("kept", "changed", "removed")}

    def methods(self) -> tuple[str, ...]:
        """Give the codes of what was truly applied, as they stand in the object by now."""
        return tuple(str(code.CodeValue) for code in self.dataset.DeidentificationMethodCodeSequence)


def patient_of(header: Dataset, pseudonyms: Pseudonyms) -> str | None:
    """Give the pseudonym of the patient, or None where the object names no PatientID."""
    patient_id = uid(header, "PatientID")
    return pseudonyms.patient(patient_id, uid(header, "IssuerOfPatientID") or "") if patient_id else None


def deidentify(original: FileDataset, pseudonyms: Pseudonyms, *, instance: str) -> Deidentified:
    """Build the object that is kept.

    Args:
        original: Parsed and with tidy pixels. Never modified.
        pseudonyms: Of the site.
        instance: The pseudonymised SOP Instance UID.

    Returns:
        An object with an empty preamble and a file meta of its own. Transfer syntax and SOP class
        stay; UIDs and patient are pseudonyms; dates go back by a number of days of the patient's own;
        ages above 90 are told as 90.
    """
    patient = patient_of(original, pseudonyms)
    days = pseudonyms.days(patient or pseudonyms.uid(uid(original, "StudyInstanceUID") or instance))
    dataset = FileDataset("", {}, preamble=bytes(128), file_meta=FileMetaDataset())
    done = Deidentified(dataset)
    _Builder(pseudonyms, days, done).fill(dataset, original)
    _complete(done, original, patient, instance)
    return done


@dataclass(slots=True)
class _Builder:
    pseudonyms: Pseudonyms
    days: int
    done: Deidentified

    def fill(self, new: Dataset, old: Dataset, depth: int = 0) -> None:
        """Copy into `new` what the table allows of `old`, nested items included."""
        for tag in sorted(old.keys()):
            keyword = "private" if tag.is_private else keyword_for_tag(tag) or "unknown"
            # What cannot stay is not even parsed: it may be a bomb of nested sequences.
            element = _read(old, tag) if keyword in NAMED else None
            value = None if element is None else self._allowed(keyword, element, old, depth)
            if element is None or value is None:
                self.done.removed[keyword] += 1
                continue
            new.add(DataElement(tag, element.VR, value))
            same = keyword in SEQUENCES or value == element.value
            (self.done.kept if same else self.done.changed)[keyword] += 1

    def _allowed(self, keyword: str, element: DataElement, old: Dataset, depth: int) -> Any:
        """Give the value that may stay, or None."""
        value: Any = None
        if keyword in NUMBERS:
            value = _allowed_number(element)
        elif keyword in WORDS:
            value = _allowed_words(element.value, WORDS[keyword])
            if value is None and keyword == "RescaleType":
                value = "US"  # unspecified: an absent type would claim Hounsfield units
        elif keyword in UIDS:
            value = self._uid(element.value)
        elif keyword in DATES:
            value = _shifted(element.value, self.days)
        elif keyword in TABLES:
            value = _cut_table(element.value, numbers(old, TABLES[keyword]))
        elif keyword in SEQUENCES and depth < DEEPEST:
            value = self._items(element.value, depth)
        elif keyword == "PatientAge":
            value = _capped(element.value)
        elif keyword == PIXELS and depth == 0:
            value = element.value
        return value

    def _uid(self, value: Any) -> str | None:
        original = str(value or "").strip(" \0")
        if not original:
            return None
        standard = original.startswith(STANDARD_ROOT) and UID(original).name != original
        return original if standard else self.pseudonyms.uid(original)

    def _items(self, value: Any, depth: int) -> Sequence | None:
        if not isinstance(value, Sequence):
            return None
        items = []
        for old in value:
            new = Dataset()
            self.fill(new, old, depth + 1)
            items.append(new)
        return Sequence(items)


def _read(old: Dataset, tag: Any) -> DataElement | None:
    try:
        return cast("DataElement", old[tag])
    except Exception:  # noqa: BLE001 - pydicom converts on access and raises whatever the bytes provoke
        return None


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]


def _allowed_number(element: DataElement) -> Any:
    if element.VR not in NUMBER_VRS:
        return None
    for value in _values(element.value):
        if isinstance(value, str | bytes) or value is None or not math.isfinite(value):
            return None
        # Decimal strings are written as they were read; that may be more than a number.
        written = str(getattr(value, "original_string", value)).strip(" \0")
        if not NUMBER_TEXT.fullmatch(written):
            return None
    return element.value


def _allowed_words(value: Any, allowed: frozenset[str]) -> Any:
    """Keep the value if each word is known; of a list with an unknown word, keep those before it."""
    kept: list[str] = []
    for each in _values(value):
        if str(each).strip(" \0").upper() not in allowed:
            break
        kept.append(str(each).strip(" \0"))
    if not kept:
        return None
    return kept if len(_values(value)) > 1 else kept[0]


def _shifted(value: Any, days: int) -> str | None:
    text = str(value or "").strip(" \0")
    try:
        day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
        return (day - timedelta(days=days)).strftime("%Y%m%d") if len(text) == 8 else None
    except (ValueError, OverflowError):
        return None


def _cut_table(value: Any, descriptor: tuple[float, ...]) -> Any:
    length = int(descriptor[0]) or 2**16 if len(descriptor) == 3 else 0
    if isinstance(value, bytes):
        width = 2 if len(value) >= 2 * length else 1
        return value[: (length * width + 1) // 2 * 2] if 0 < length <= len(value) else None
    entries = _values(value)
    whole = all(isinstance(entry, int) for entry in entries)
    return entries[:length] if whole and 0 < length <= len(entries) else None


def _capped(value: Any) -> str | None:
    found = AGE.fullmatch(str(value or "").strip(" \0").upper())
    if found is None:
        return None
    return f"{OLDEST:03d}Y" if found[2] == "Y" and int(found[1]) > OLDEST else found[0]


def _complete(done: Deidentified, original: FileDataset, patient: str | None, instance: str) -> None:
    dataset, syntax = done.dataset, original.file_meta.TransferSyntaxUID
    for keyword in EMPTIED:
        if keyword not in dataset:
            setattr(dataset, keyword, "")
    dataset.SOPInstanceUID = instance
    dataset.PatientID = dataset.PatientName = patient or ""
    for keyword in ("PatientID", "PatientName"):
        if done.removed.pop(keyword, 0):
            done.changed[keyword] += 1
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    dataset.DeidentificationMethodCodeSequence = Sequence(_codes(dataset))
    dated = any(dataset.get(keyword) for keyword in DATES)
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if dated else "REMOVED"
    if word(dataset, "PixelRepresentation") == "":
        dataset.PixelRepresentation = 0  # without it, values of either sign cannot be written
    meta = dataset.file_meta
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = IMPLEMENTATION
    dataset.set_original_encoding(syntax.is_implicit_VR, syntax.is_little_endian)


def _codes(dataset: Dataset) -> list[Dataset]:
    """Give the codes of what was truly applied here. Pixels are not cleaned here, so 113101 is not among them."""
    codes = []
    if any(dataset.get(keyword) for keyword in DATES):
        codes.append(("113107", "Retain Longitudinal Temporal Information Modified Dates Option"))
    if dataset.get("PatientAge") or dataset.get("PatientSex"):
        codes.append(("113108", "Retain Patient Characteristics Option"))
    return [_code(value, meaning) for value, meaning in codes]


def add_code(dataset: Dataset, value: str, meaning: str) -> None:
    """Add the code of one more method that was truly applied to a de-identified object."""
    codes = [*dataset.DeidentificationMethodCodeSequence, _code(value, meaning)]
    dataset.DeidentificationMethodCodeSequence = Sequence(sorted(codes, key=lambda code: str(code.CodeValue)))


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
