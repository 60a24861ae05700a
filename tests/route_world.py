"""One site with an object of every kind that a route names, and a valid request for every route."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from screening.audit.actor import Actor
from screening.flows.explained import files_of
from screening.people.links import invite, make_sign_in_link
from screening.people.tokens import make_token
from screening.results.models import Explanation, ModelVersion
from screening.review.findings import findings_of
from screening.studies.models import Image
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
    arguments = {
        "site_id": site.pk,
        "study_id": image.study_id,
        "image_id": image.pk,
        "explanation_id": ExplanationFactory(screening=image.screenings.get(), drawn=True).pk,
        "slug": model.slug,
        "version": model.version,
        "upload_id": opened.pk,
        "membership_id": MembershipFactory(site=site, role=Role.STAFF).pk,
        "digest": make_token(user=people["staff"], site=site, name="t", scopes=[Scope.READ], days=1).token.digest,
    }
    invitation = invite(site=site, role=Role.STAFF, actor=Actor.user(people["admin"]))
    special = {
        "enter": {"secret": make_sign_in_link(user=people["staff"]).secret},
        "invitation": {"secret": invitation.secret},
        "invitation_withdraw": {"link_id": invitation.link.pk},
        "desk:verdict": {"upload_id": quick.pk},
        **{f"api:{act}": {"upload_id": done.pk} for act in ("retry", "screenings", "receipt", "receipt_csv")},
        **{f"desk:{act}": {"upload_id": done.pk} for act in ("retry", "rescreen", "receipt", "purge")},
    }
    return World(site, people, opened, done, image, model, other_model, arguments, special)


def _screened_image(upload: Upload, model: ModelVersion) -> Image:
    study = StudyFactory(upload=upload, site=upload.site, flagged_ready=True)
    image = ImageFactory(study=study, sha256=sha(b"a picture of the matrix"))
    ScreeningFactory(image=image, model_version=model, scored_flagged=True)
    ItemFactory(upload=upload, accepted=True, study_id=study.pk, sha256=image.sha256)
    ItemFactory(upload=upload, state=ItemState.FAILED, code="interrupted", incoming="raw")
    return image


def lay_preview(image: Image) -> None:
    """Put the preview in its place: files do not come back with the rows when a purge is undone."""
    folder = blob_folder(image.site_id, image.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture, but a file")
    for file in files_of(Explanation.objects.select_related("screening__image").get(screening__image=image)):
        file.write_bytes(b"no map, but a file")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def token_of(world: World, role: str, scopes: tuple[Scope, ...] | None = None) -> str:
    """The secret of a token of somebody in this role, with all scopes of the role unless some are named."""
    user = world.people[role]
    membership = user.memberships.get()
    held = scopes or SCOPES_OF[Role(membership.role)]
    return make_token(user=user, site=membership.site, name="t", scopes=held, days=1).secret


def request_of(world: World, name: str, method: str) -> dict[str, Any]:
    """What to pass to `Client.generic`-like calls, so that whoever may do this succeeds."""
    forms = {
        "sign_in": {"username": "admin", "password": "wrong"},
        "invitation": {"username": "newcomer", "password": PASSWORD, "again": PASSWORD},
        "disclaimer": {"accept": "on"},
        "password": {"old": PASSWORD, "new": "another good one", "again": "another good one"},
        "tokens": {"name": "t", "site": str(world.site.pk), "scopes": ["read"], "days": "1", "accept": "on"},
        "site_invite": {"role": "staff"},
        "member_role": {"role": "reviewer"},
        "desk:rescreen": {"models": [world.other_model.name]},
        "desk:references": {"table": SimpleUploadedFile("t.csv", b"path,external_id\na.png,x-1\n")},
        "desk:purge": {"sure": "on"},
        "review:heat": {"screening": str(world.image.screenings.get().pk), "label": "covid"},
        "review:answer": {f"answer-{one.slug}": "present" for one in findings_of(world.image.study)},
    }
    bodies = {
        "api:uploads": {"name": "x", "models": [world.model.name]},
        "api:check": {"files": [{"path": "b.png", "size": 3, "sha256": sha(b"abc")}]},
        "api:seal": {"count": None},
        "api:screenings": {"models": [world.other_model.name]},
        "api:references": {"rows": [{"path": "a.png", "external_id": "x-1", "label": ""}]},
        "api:heat_maps": {"model": world.model.name, "label": "covid"},
        "api:lookup": {"uids": ["1.2.3"]},
        "api:reviews": {"answers": {one.slug: {"answer": "present"} for one in findings_of(world.image.study)}},
    }
    if name == "desk:quick" and method == "POST":
        return {"data": {"picture": SimpleUploadedFile("a.png", PNG_ENOUGH)}}
    if name == "api:files":
        return {"data": {"path": "a.png", "file": SimpleUploadedFile("a.png", BYTES)}}
    if name == "api:archive" and method == "PUT":
        part = b"PK\x03\x04 the first part"
        headers = {"Content-Range": f"bytes 0-{len(part) - 1}/1000"}
        return {"data": part, "content_type": "application/octet-stream", "headers": headers}
    if name in bodies and method == "POST":
        return {"data": bodies[name], "content_type": "application/json"}
    return {"data": forms[name]} if name in forms and method == "POST" else {}
