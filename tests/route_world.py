"""One site with an object of every kind that a route names, and a valid request for every route."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from screening.audit.actor import Actor
from screening.classes.labels import LabelRow
from screening.classes.revealing import reveal_set
from screening.classes.services import choose_readers, make_set, open_set
from screening.dicomweb.catalogue import packed
from screening.dicomweb.models import DicomHeader
from screening.flows.documents import Kind, wanted
from screening.flows.explained import files_of
from screening.hooks.endpoints import add_endpoint
from screening.hooks.letters import confirmation_of
from screening.hooks.mail import want_mail
from screening.numbers.points import propose_point
from screening.numbers.reflagging import start_reflagging
from screening.numbers.replays import start_replay
from screening.outbox.models import EventKind
from screening.people.links import invite, make_sign_in_link
from screening.people.tokens import make_token
from screening.results.models import Explanation, ModelVersion, Screening, ScreeningState
from screening.review.findings import findings_of
from screening.studies.models import Image, Study
from screening.uploads.models import ItemState, Upload
from screening.uploads.paths import digest
from screening.uploads.storage import blob_folder
from screening.users.models import Role, Scope, Site, User
from screening.users.roles import SCOPES_OF
from tests.factories import (
    ExplanationFactory,
    ImageFactory,
    ItemFactory,
    MembershipFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.phantoms import dicom_file

PASSWORD = "correct horse battery"
BYTES = b"a file of the matrix"
PNG_ENOUGH = b"\x89PNG\r\n\x1a\n" + b"0" * 64


@dataclass(frozen=True)
class World:
    """The site, its people, and the keyword arguments of every route."""

    site: Site
    people: dict[str, User]
    open: Upload
    done: Upload
    image: Image
    model: ModelVersion
    other_model: ModelVersion
    arguments: dict[str, Any]
    special: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)  # cookies by user name

    def kwargs(self, name: str, wanted: list[str]) -> dict[str, Any]:
        own = self.special.get(name, {})
        return {one: own.get(one, self.arguments.get(one)) for one in wanted}


def make_world() -> World:
    """Make one site at work and another that has nothing to do with it."""
    site = SiteFactory(name="The site")
    people = {role: UserFactory(username=role, role_at=(site, Role(role))) for role in Role.values}
    people["other site"] = UserFactory(username="stranger", role_at=(SiteFactory(name="Another"), Role.ADMIN))
    model, other_model = ModelVersionFactory(), ModelVersionFactory()
    opened = UploadFactory(site=site, created_by=people["staff"], models_chosen=[model.name])
    done = UploadFactory(site=site, created_by=people["staff"], models_chosen=[model.name], finished=True)
    quick = UploadFactory(site=site, created_by=people["staff"], sealed=True, quick=True)
    ItemFactory(upload=quick, received=True)
    ItemFactory(upload=opened, path="a.png", path_digest=digest("a.png"), size=len(BYTES), sha256=sha(BYTES))
    image = _screened_image(done, model)
    _kept_object(done)
    arguments = {
        "site_id": site.pk,
        "study_id": image.study_id,
        "image_id": image.pk,
        "explanation_id": ExplanationFactory(screening=image.screenings.get(), drawn=True).pk,
        "slug": model.slug,
        "version": model.version,
        "model_id": model.pk,
        "upload_id": opened.pk,
        "study_uid": "1.2",
        "series_uid": "1.2.3",
        "instance_uid": "1.2.3.4",
        "membership_id": MembershipFactory(site=site, role=Role.STAFF).pk,
        "digest": make_token(user=people["staff"], site=site, name="t", scopes=[Scope.READ], days=1).token.digest,
    }
    invitation = invite(site=site, role=Role.STAFF, actor=Actor.user(people["admin"]))
    hook = {"url": "https://ris.example.org/hooks", "kinds": [EventKind.STUDY_READY]}
    endpoint = add_endpoint(site=site, actor=Actor.user(people["admin"]), **hook).endpoint
    arguments |= {"endpoint_id": endpoint.pk, "webhook_id": endpoint.pk}
    wish = want_mail(user=people["staff"], address="staff@example.org", uploads=True)
    special = {
        "hooks:confirm": {"token": confirmation_of(wish)},
        "enter": {"secret": make_sign_in_link(user=people["staff"]).secret},
        "invitation": {"secret": invitation.secret},
        "invitation_withdraw": {"link_id": invitation.link.pk},
        "desk:verdict": {"upload_id": quick.pk},
        **{f"api:{act}": {"upload_id": done.pk} for act in ("retry", "screenings", "receipt", "receipt_csv")},
        **{f"desk:{act}": {"upload_id": done.pk} for act in ("retry", "rescreen", "receipt", "purge", "failures")},
    }
    colleague = UserFactory(username="colleague", role_at=(site, Role.ADMIN))
    special |= _classes(site, model, people)
    arguments |= _decided_by_two(site, model, other_model, colleague)
    return World(site, people, opened, done, image, model, other_model, arguments, special)


def _decided_by_two(site: Site, model: ModelVersion, other_model: ModelVersion, colleague: User) -> dict[str, Any]:
    """What an administrator can decide: it was proposed by a colleague."""
    proposal = propose_point(
        site_id=site.pk, version=model, label="covid", value=0.3, reason="too many missed", user=colleague
    )
    work = start_reflagging(site_id=site.pk, version=other_model, days=7, user=colleague)
    newer = ModelVersionFactory(slug=model.slug, version="1.1.0")
    ModelVersionFactory(slug=model.slug, version="1.2.0")
    replay = start_replay(site=site, old=model, new=newer, studies=1, user=colleague)
    Screening.with_trials.filter(trial=True).update(state=ScreeningState.SCORED, scores={"covid": 0.1, "normal": 0.9})
    return {"proposal_id": proposal.pk, "reflagging_id": work.pk, "replay_id": replay.pk}


def _classes(site: Site, model: ModelVersion, people: dict[str, User]) -> dict[str, dict[str, Any]]:
    """A set in preparation, one that is read and one that was revealed, of studies of their own."""
    upload = UploadFactory(site=site, created_by=people["admin"], models_chosen=[model.name], finished=True)
    study = StudyFactory(upload=upload, site=site, ready=True)
    image = ImageFactory(study=study, sha256=sha(b"a picture of a class"))
    ScreeningFactory(image=image, model_version=model, scored=True)
    path = "class/case.png"
    ItemFactory(
        upload=upload, accepted=True, study_id=study.pk, sha256=image.sha256, path=path, path_digest=digest(path)
    )
    made = []
    for state in ("preparation", "reading", "revealed"):
        found = make_set(
            upload=upload, name=state, finding="covid", rows=[LabelRow(2, path, "covid")], teacher=people["admin"]
        )
        choose_readers(set_id=found.pk, reader_ids=[people["reviewer"].pk], teacher=people["admin"])
        made.append({"set_id": found.pk, "case_id": found.cases.get().pk, "upload_id": upload.pk})
    for told in made[1:]:
        open_set(set_id=told["set_id"], teacher=people["admin"])
    reveal_set(set_id=made[2]["set_id"], teacher=people["admin"])
    preparing, reading, revealed = made
    return {
        **{f"classroom:{name}": preparing for name in ("make", "labels", "readers", "open", "discard")},
        **{f"classroom:{name}": reading for name in ("set", "next", "case", "answer", "manage", "progress", "reveal")},
        **{f"classroom:{name}": revealed for name in ("results", "figures_csv", "answers_csv")},
    }


def _screened_image(upload: Upload, model: ModelVersion) -> Image:
    study = StudyFactory(upload=upload, site=upload.site, flagged_ready=True)
    image = ImageFactory(study=study, sha256=sha(b"a picture of the matrix"))
    ScreeningFactory(image=image, model_version=model, scored_flagged=True)
    ItemFactory(upload=upload, accepted=True, study_id=study.pk, sha256=image.sha256)
    ItemFactory(upload=upload, state=ItemState.FAILED, code="interrupted", incoming="raw")
    return image


def _kept_object(upload: Upload) -> None:
    """An object under the identifiers of the drawn one: the address that is stored to is also one to ask."""
    study = StudyFactory(upload=upload, site=upload.site, grouping="uid:1.2", ready=True)
    named = {"series_uid": "1.2.3", "instance_uid": "1.2.3.4"}
    image = ImageFactory(study=study, kind="dicom", source_name="source.dcm", sha256=sha(b"an object"), **named)
    DicomHeader.objects.create(
        **named,
        image=image,
        site=upload.site,
        study=study,
        study_uid="1.2",
        metadata=packed({"0020000D": {"vr": "UI"}}),
    )


def lay_preview(image: Image) -> None:
    """Put the preview in its place: files do not come back with the rows when a purge is undone."""
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture, but a file")
    for kept in Image.objects.filter(site_id=image.site_id, kind="dicom"):
        source = blob_folder(kept.site_id, kept.sha256) / kept.source_name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(b"no object, but a file")
    for file in files_of(Explanation.objects.select_related("screening__image").get(screening__image=image)):
        file.write_bytes(b"no map, but a file")
    for kind in Kind:
        wanted(Study.objects.get(pk=image.study_id), kind).path.write_bytes(b'{"no": "document, but a file"}')


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def related(files: list[bytes]) -> tuple[str, bytes]:
    """Give content type and body of a request of STOW-RS."""
    parts = [b"--of-parts\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files]
    return 'multipart/related; type="application/dicom"; boundary=of-parts', b"".join(parts) + b"--of-parts--"


def token_of(world: World, role: str, scopes: tuple[Scope, ...] | None = None) -> str:
    """The secret of a token of somebody in this role, with all scopes of the role unless some are named."""
    user = world.people[role]
    membership = user.memberships.get()
    held = scopes or SCOPES_OF[Role(membership.role)]
    return make_token(user=user, site=membership.site, name="t", scopes=held, days=1).secret


def _bodies(world: World) -> dict[str, dict[str, Any]]:
    """What is sent as JSON."""
    return {
        "api:uploads": {"name": "x", "models": [world.model.name]},
        "api:check": {"files": [{"path": "b.png", "size": 3, "sha256": sha(b"abc")}]},
        "api:seal": {"count": None},
        "api:screenings": {"models": [world.other_model.name]},
        "api:references": {"rows": [{"path": "a.png", "external_id": "x-1", "label": ""}]},
        "api:heat_maps": {"model": world.model.name, "label": "covid"},
        "api:webhooks": {"url": "https://pacs.example.org/", "events": ["study.ready"]},
        "api:webhook": {"events": ["upload.finished"], "enabled": False},
        "api:lookup": {"uids": ["1.2.3"]},
        "api:reviews": {"answers": {one.slug: {"answer": "present"} for one in findings_of(world.image.study)}},
    }


def housekeeping_forms(world: World) -> dict[str, dict[str, Any]]:
    """Valid forms of the pages of housekeeping."""
    return {
        "housekeeping:retention": {"study_days": "", "failed_days": "7"},
        "housekeeping:study_delete": {"short": str(world.image.study_id)[:8]},
    }


def class_forms(world: World) -> dict[str, dict[str, Any]]:
    """What a teacher and a reader of a class send."""
    return {
        "classroom:make": {
            "name": "Tuesday",
            "upload": str(world.special["classroom:make"]["upload_id"]),
            "finding": "covid",
            "table": SimpleUploadedFile("labels.csv", b"file,label\ncase.png,covid\n"),
        },
        "classroom:labels": {"table": SimpleUploadedFile("labels.csv", b"file,label\ncase.png,normal\n")},
        "classroom:readers": {"readers": [str(world.people["reviewer"].pk)]},
        "classroom:answer": {"answer": "present"},
        "classroom:reveal": {"sure": "on"},
    }


def request_of(world: World, name: str, method: str) -> dict[str, Any]:
    """What to pass to `Client.generic`-like calls, so that whoever may do this succeeds."""
    forms: dict[str, dict[str, Any]] = housekeeping_forms(world) | {
        "sign_in": {"username": "admin", "password": "wrong"},
        "invitation": {"username": "newcomer", "password": PASSWORD, "again": PASSWORD},
        "disclaimer": {"accept": "on"},
        "password": {"old": PASSWORD, "new": "another good one", "again": "another good one"},
        "tokens": {"name": "t", "site": str(world.site.pk), "scopes": ["read"], "days": "1", "accept": "on"},
        "site_invite": {"role": "staff"},
        "key_export": {"password": PASSWORD},
        "key_rotate": {"password": PASSWORD, "name": world.site.name},
        "member_role": {"role": "reviewer"},
        "numbers:propose": {
            "for": f"{world.other_model.pk}:covid",
            "value": "0.4",
            "days": "30",
            "reason": "too many missed",
        },
        "numbers:replay_begin": {
            "old": str(world.model.pk),
            "new": str(ModelVersion.objects.get(slug=world.model.slug, version="1.2.0").pk),
            "studies": "50",
        },
        "numbers:reflag_start": {"for": f"{world.model.pk}:covid", "days": "7"},
        "hooks:endpoints": {"url": "https://pacs.example.org/", "kinds": ["study.ready"]},
        "hooks:again": {"all": "yes"},
        "hooks:notifications": {"address": "somebody@example.org", "uploads": "on"},
        "site_limits": {"flagged_hours": "2", "rest_hours": "24", "reads": "read_all"},
        "desk:rescreen": {"models": [world.other_model.name]},
        "desk:references": {"table": SimpleUploadedFile("t.csv", b"path,external_id\na.png,x-1\n")},
        "desk:purge": {"sure": "on"},
        **class_forms(world),
        "review:correct": {"correction": "invert"},
        "review:documents": {"kind": "report"},
        "review:heat": {"screening": str(world.image.screenings.get().pk), "label": "covid"},
        "review:answer": {f"answer-{one.slug}": "present" for one in findings_of(world.image.study)},
    }
    if name == "desk:quick" and method == "POST":
        return {"data": {"picture": SimpleUploadedFile("a.png", PNG_ENOUGH)}}
    if name == "api:files":
        return {"data": {"path": "a.png", "file": SimpleUploadedFile("a.png", BYTES)}}
    if name == "api:archive" and method == "PUT":
        part = b"PK\x03\x04 the first part"
        headers = {"Content-Range": f"bytes 0-{len(part) - 1}/1000"}
        return {"data": part, "content_type": "application/octet-stream", "headers": headers}
    if name.startswith("dicomweb:") and method == "POST":
        content_type, body = related([dicom_file()])
        return {"data": body, "content_type": content_type}
    bodies = _bodies(world)
    if name in bodies and method in {"POST", "PATCH"}:
        return {"data": bodies[name], "content_type": "application/json"}
    return {"data": forms[name]} if name in forms and method == "POST" else {}
