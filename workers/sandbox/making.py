"""A site in which every outcome happens, for trying an integration: phantoms through the product's own services.

Files are sent, read and settled as any others are. Only the scores come from a script: inference workers leave its lane
alone (`results/leases.py`), so that what this module says of a picture is what happens. What is tried again later the
reconciler answers (`flows/scripted.py`).
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from ml.vocabulary import NotAssessed
from screening import leasing
from screening.audit.models import ChainKind
from screening.audit.services import Draft, record
from screening.flows.acts import cancel_upload, seal_upload
from screening.flows.again import retry_upload
from screening.flows.explained import Drawn, ask_explanation, files_of, record_explanations
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import receive_file
from screening.flows.reclaim import reclaim_expired
from screening.flows.references import ReferenceRow, record_references
from screening.flows.scored import record_outcomes
from screening.flows.scripted import QUIET, SCRIPT, identity_of
from screening.people.members import create_site
from screening.people.tokens import make_token
from screening.results.explanations import claim_explanations
from screening.results.leases import SCRIPTED
from screening.results.models import Explanation, ExplanationState, ModelVersion, Screening, ScreeningState
from screening.results.services import register_model
from screening.studies.values import ScreenOutcome
from screening.uploads.kept import at_hand
from screening.uploads.models import PENDING_ITEMS, ChosenModality, Priority, Upload
from screening.uploads.storage import blob_folder
from screening.users.models import Membership, Role, Scope, Site, User
from workers.crew import Stop
from workers.ingest import ingest_chunk
from workers.replacing import replace_file
from workers.sandbox.drawn import Original, map_files, original_of, phantom_file
from workers.sandbox.errors import SandboxExists, SandboxNotFinished

SANDBOX: Final = "SANDBOX"
PATIENCE: Final = 180.0  # seconds for the files to be read, by this process or by workers
TOKEN_DAYS: Final = 30
POINT: Final = 0.5
LABEL: Final = "covid"
FLAGGED: Final = ScreenOutcome(kind="scored", scores={LABEL: 0.91, "other": 0.09})
BROKEN: Final = ScreenOutcome(kind="failed", code="not_finite")
SAID: Final[Mapping[str, ScreenOutcome]] = {
    "flagged": FLAGGED,
    "not-flagged": QUIET,
    **{
        f"inconclusive-{reason.value.replace('_', '-')}": ScreenOutcome(kind="inconclusive", code=reason.value)
        for reason in NotAssessed
    },
    "failed": BROKEN,
}
QUARANTINED: Final = "quarantined"
RETRIED: Final = "retried"
CARD: Final = {
    "slug": SCRIPTED,
    "version": "1.0.0",
    "title": "SANDBOX: scores from a script, no model",
    "modality": "xray",
    "labels": [LABEL, "other"],
    "flag_labels": [LABEL],
    "operating_points": {LABEL: {"value": POINT}},
    "model_sha256": hashlib.sha256(b"sandbox script").hexdigest(),
    "default": False,
    "limits": ["SANDBOX: a script said these scores of drawn phantoms. No model looked at anything."],
}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A site that was made, and the secret of its token, which is shown once."""

    site: Site
    user: User
    secret: str

    def originals(self) -> dict[str, Original]:
        """The original identifiers of every study by its `external_id`: the service keeps them nowhere."""
        names = [*SAID, QUARANTINED, RETRIED]
        return {_external(name): original_of(self.site.name, name) for name in names}


def make_sandbox(name: str) -> Sandbox:
    """Make a sandbox site with a study or a file in every outcome.

    Raises:
        SandboxExists: there is a site of this name, or the name does not say SANDBOX.
        SandboxNotFinished: files were not read in time; the site stays as it is.
    """
    if not name.startswith(SANDBOX) or Site.objects.filter(name=name).exists():
        raise SandboxExists(f"No sandbox can be made under the name {name!r}.")
    site, user = _people(name)
    version = register_model(card=dict(CARD), folder="none")
    try:
        _outcomes(site, user, version)
        _retried(site, user, version)
        _cancelled(site, user, version)
    finally:  # nobody is offered a script
        ModelVersion.objects.filter(pk=version.pk).update(active=False)
    token = make_token(user=user, site=site, name=SANDBOX, scopes=[Scope.READ, Scope.UPLOAD], days=TOKEN_DAYS)
    return Sandbox(site, user, token.secret)


@transaction.atomic
def _people(name: str) -> tuple[Site, User]:
    site = create_site(name=name, actor=SCRIPT)
    user = User.objects.create_user(username=f"sandbox-{site.pk.hex[:8]}")
    members = [(user, Role.INTEGRATOR)]
    first = Membership.objects.filter(role=Role.ADMIN, user__is_active=True).order_by("pk").first()
    members += [(first.user, Role.ADMIN)] if first else []
    for member, role in members:
        Membership.objects.create(user=member, site=site, role=role)
        record(
            SCRIPT, [Draft(ChainKind.SITE, site.pk, site.pk, "member:joined", {"user": member.pk, "role": role.value})]
        )
    return site, user


def _outcomes(site: Site, user: User, version: ModelVersion) -> None:
    names = [*SAID, QUARANTINED]
    files = {f"{name}.dcm": phantom_file(site.name, name) for name in names}
    files["duplicate.dcm"] = files["flagged.dcm"]
    files["rejected.dcm"] = b"SANDBOX: no picture at all"
    upload = _sent(site, user, version, f"{SANDBOX} outcomes", files, unsent=("not-sent.dcm",))
    rows = _rows(upload)
    _say(version, {name: row for name, row in rows.items() if name in SAID}, SAID)
    _quarantine(rows[QUARANTINED])
    _draw_map(rows["flagged"], user)


def _retried(site: Site, user: User, version: ModelVersion) -> None:
    upload = _sent(site, user, version, f"{SANDBOX} retried", {f"{RETRIED}.dcm": phantom_file(site.name, RETRIED)})
    _say(version, _rows(upload), {RETRIED: BROKEN})
    retry_upload(upload_id=upload.pk, actor=SCRIPT)
    _say(version, _rows(upload), {RETRIED: QUIET})


def _cancelled(site: Site, user: User, version: ModelVersion) -> None:
    upload = open_upload(site=site, user=user, name=f"{SANDBOX} cancelled", models=[version.name])
    check_files(upload_id=upload.pk, files=[_offer("cancelled.dcm", phantom_file(site.name, "cancelled"))])
    cancel_upload(upload_id=upload.pk, actor=SCRIPT)


def _sent(
    site: Site, user: User, version: ModelVersion, name: str, files: Mapping[str, bytes], unsent: Sequence[str] = ()
) -> Upload:
    """Send files as an integrator would, seal, and have them read."""
    upload = open_upload(
        site=site,
        user=user,
        name=name,
        models=[version.name],
        modality=ChosenModality.XRAY,
        priority=Priority.URGENT,
    )
    offers = [_offer(path, data) for path, data in files.items()]
    offers += [_offer(path, path.encode()) for path in unsent]
    names = [ReferenceRow(path=path, external_id=_external(path), label="") for path in files]
    record_references(upload_id=upload.pk, rows=[one for one in names if "duplicate" not in one.path], actor=SCRIPT)
    for checked in check_files(upload_id=upload.pk, files=offers):
        if checked.state == "missing" and checked.path in files:
            receive_file(upload_id=upload.pk, path=checked.path, parts=[files[checked.path]], actor=SCRIPT)
    seal_upload(upload_id=upload.pk, count=None, actor=SCRIPT)
    _read(upload)
    return upload


def _external(path: str) -> str:
    return f"sandbox-{path.removesuffix('.dcm')}"


def _offer(path: str, data: bytes) -> Offered:
    return Offered(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _read(upload: Upload) -> None:
    """Read what was sent, beside the workers if there are any."""
    ends = time.monotonic() + PATIENCE
    while upload.items.filter(state__in=PENDING_ITEMS).exists():
        if time.monotonic() > ends:
            raise SandboxNotFinished("The phantoms were not read in time.")
        if not ingest_chunk(Stop()):
            time.sleep(0.2)


def _rows(upload: Upload) -> dict[str, Screening]:
    """The screenings of an upload that wait or ended, by the name of the file that brought their picture."""
    paths = dict(upload.items.filter(state="accepted").values_list("sha256", "path"))
    rows = Screening.objects.filter(upload=upload).select_related("image")
    return {paths[row.image.sha256].removesuffix(".dcm"): row for row in rows if row.image.sha256 in paths}


def _say(version: ModelVersion, rows: Mapping[str, Screening], said: Mapping[str, ScreenOutcome]) -> None:
    """Record what the script says, under a lease as a worker would."""
    waiting = Screening.objects.filter(pk__in=[row.pk for row in rows.values()], state=ScreeningState.WAITING)
    lease, _ = leasing.claim(waiting, limit=len(rows), seconds=60, state=ScreeningState.LEASED)
    leasing.begin(Screening, lease)
    outcomes = {row.pk: said[name] for name, row in rows.items()}
    record_outcomes(lease=lease, model=identity_of(version), outcomes=outcomes, timings={}, actor=SCRIPT)


def _quarantine(row: Screening) -> None:
    """End as a picture that ended its worker in a batch and then twice alone: leases begin and run out."""
    for _ in range(1 + leasing.DEATHS_ALONE):
        waiting = Screening.objects.filter(pk=row.pk, state=ScreeningState.WAITING)
        lease, taken = leasing.claim(waiting, limit=1, seconds=-1, state=ScreeningState.LEASED)
        if taken:
            leasing.begin(Screening, lease)
        reclaim_expired()


def _draw_map(row: Screening, user: User) -> None:
    """Lay a made-up map beside the flagged phantom, unless a worker was faster and found no model to draw it with."""
    for _ in range(5):
        ask_explanation(screening_id=row.pk, label=LABEL, user_id=user.pk)
        lease, maps = claim_explanations(model_version_id=row.model_version_id, limit=1, asked_only=True)
        if maps:
            break
        if Explanation.objects.filter(screening=row, state=ExplanationState.DRAWN).exists():
            return
    for one in maps:
        one.key = hashlib.sha256(f"sandbox/{row.pk}".encode()).hexdigest()
        image = row.image
        preview = blob_folder(image.site_id, image.sha256) / f"{image.frame}.jpg"
        for path, data in zip(files_of(one), map_files(at_hand(preview).read_bytes()), strict=True):
            replace_file(path, data)
        drawn = Drawn(key=one.key, method="script", field="", outside=0.1)
        record_explanations(lease=lease, drawn={one.pk: drawn})
