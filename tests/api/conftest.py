"""A ward with everybody who works there, and somebody from elsewhere."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from ml.vocabulary import DISCLAIMER_VERSION
from screening.api.throttling import RATES
from screening.results.models import ModelVersion
from screening.users.models import ApiToken, Role, Scope, Site, User
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from tests.stores import stores

__all__ = ["stores"]
ALL_SCOPES = (Scope.READ, Scope.UPLOAD, Scope.REVIEW)


@pytest.fixture(autouse=True)
def nobody_asked_before() -> None:
    """Empty what rates were counted: rows are made anew for each test, under the same numbers."""
    RATES.forget()


@dataclass(slots=True)
class Ward:
    """One site, its people by role, and a stranger who is somebody at another site."""

    site: Site
    version: ModelVersion
    staff: User
    colleague: User
    reviewer: User
    integrator: User
    other_integrator: User
    admin: User
    stranger: User
    elsewhere: Site
    tokens: dict[tuple[int, tuple[str, ...]], APIClient] = field(default_factory=dict)

    def by_token(self, user: User, *scopes: Scope, site: Site | None = None) -> APIClient:
        """Give a client with a fresh token of this user at the ward; all scopes unless some are named."""
        _, token = ApiToken.objects.create(
            user=user,
            name="a script",
            site=site or self.site,
            scopes=list(scopes or ALL_SCOPES),
            disclaimer_version=DISCLAIMER_VERSION,
            expiry=timedelta(days=1),
        )
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return client

    def by_session(self, user: User) -> APIClient:
        """Give a client that is signed in, as our own pages are."""
        client = APIClient()
        client.force_login(user)
        return client


@pytest.fixture
def ward(db, stores: Path) -> Ward:
    site, elsewhere = SiteFactory(), SiteFactory()

    def person(role: Role, at: Site = site) -> User:
        return UserFactory(role_at=(at, role))

    return Ward(
        site=site,
        version=ModelVersionFactory(slug="xray-one"),
        staff=person(Role.STAFF),
        colleague=person(Role.STAFF),
        reviewer=person(Role.REVIEWER),
        integrator=person(Role.INTEGRATOR),
        other_integrator=person(Role.INTEGRATOR),
        admin=person(Role.ADMIN),
        stranger=person(Role.ADMIN, elsewhere),
        elsewhere=elsewhere,
    )


def open_upload(client: APIClient, **body: object) -> str:
    """Open an upload and give its address."""
    answer = client.post("/api/v1/uploads/", body)
    assert answer.status_code == 201, answer.content
    return f"/api/v1/uploads/{answer.json()['id']}/"


def key_of(url: str) -> UUID:
    return UUID(url.split("/")[-2])


def offer(client: APIClient, url: str, files: Mapping[str, bytes]):
    body = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in files.items()
    ]
    return client.post(f"{url}check/", {"files": body})


def send(client: APIClient, url: str, files: Mapping[str, bytes]):
    form = {"path": list(files), "file": [SimpleUploadedFile("file", data) for data in files.values()]}
    return client.post(f"{url}files/", form, format="multipart")


def refusal(answer) -> tuple[int, str]:
    """Give status and code of a refusal that has the one shape and nothing else."""
    body = answer.json()
    assert set(body) == {"code", "message", "what_to_do", "disclaimer"}, body
    assert all(isinstance(value, str) and value for value in body.values())
    return answer.status_code, body["code"]
