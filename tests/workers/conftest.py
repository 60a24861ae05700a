import hashlib
from collections.abc import Callable, Iterator

import pytest

from ml.inference import NoopScorer
from screening.audit.actor import Actor
from screening.flows.acts import seal_upload
from screening.flows.offering import Offered, check_files, open_upload
from screening.flows.receiving import receive_file
from screening.results.models import ModelVersion
from screening.uploads.models import Upload
from screening.users.models import Role, Site, User
from tests.factories import ModelVersionFactory, SiteFactory, UserFactory
from workers.decoders import POOL
from workers.engine import ENGINE


@pytest.fixture(scope="session", autouse=True)
def end_decoders() -> Iterator[None]:
    """The children that tests started in this process end with the tests."""
    yield
    POOL.close()


@pytest.fixture
def site() -> Site:
    return SiteFactory()


@pytest.fixture
def staff(site: Site) -> User:
    return UserFactory(role_at=(site, Role.STAFF))


@pytest.fixture
def noop(monkeypatch: pytest.MonkeyPatch) -> ModelVersion:
    """A registered model that answers 0.5 to everything, loaded without a bundle."""
    monkeypatch.setattr("workers.engine.load_scorer", lambda *_: NoopScorer())
    ENGINE._loaded.clear()
    return ModelVersionFactory(labels=list(NoopScorer().labels), sha256=NoopScorer().identity.sha256)


@pytest.fixture
def upload_of(site: Site, staff: User) -> Callable[..., Upload]:
    """Send files through the services and seal."""

    def build(files: dict[str, bytes], *, sealed: bool = True, **options: str) -> Upload:
        upload = open_upload(site=site, user=staff, name="test", models=[], **options)
        offered = [
            Offered(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in files.items()
        ]
        for checked in check_files(upload_id=upload.pk, files=offered):
            if checked.state == "missing":
                receive_file(
                    upload_id=upload.pk, path=checked.path, parts=[files[checked.path]], actor=Actor.user(staff)
                )
        return seal_upload(upload_id=upload.pk, count=None, actor=Actor.user(staff)) if sealed else upload

    return build
