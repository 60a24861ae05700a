"""DICOMweb of a server that runs, asked by `dicomweb-client` as integrators ask it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import requests
from dicomweb_client import DICOMwebClient
from django.conf import settings
from pydicom import dcmread

from screening.people.tokens import make_token
from screening.uploads.models import Item, ItemState, Upload
from screening.users.models import Role, Scope, Site, User
from tests.dicomweb.conftest import object_of
from tests.factories import SiteFactory, UserFactory
from tests.workers.processes import Process, running, until
from tests.workers.test_web_memory import answers, free_port

Build = Callable[..., dict[str, str]]
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def web_of(build: Build, folder: Path) -> Iterator[str]:
    """Run the web process as `make up` does, and give its address."""
    port = free_port()
    web = Process("web", build(PORT=str(port)), folder, config=replace(settings.CONFIG, port=port))
    with running(web):
        web.start()
        until(lambda: answers(port), 120, f"no answer:\n{web.tail()}", every=0.2)
        yield f"http://127.0.0.1:{port}"


def token_of(user: User, site: Site, *scopes: Scope) -> str:
    return make_token(user=user, site=site, name="a script", scopes=scopes, days=1).secret


def session_of(token: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy of this machine
    session.headers["Authorization"] = f"Token {token}"
    return session


def test_a_client_stores_whole_and_in_chunks_and_a_second_time_for_nothing(
    child_environment: Build, tmp_path: Path
) -> None:
    site = SiteFactory()
    user = UserFactory(role_at=(site, Role.INTEGRATOR))
    objects = [dcmread(BytesIO(object_of(number, study=number // 2))) for number in range(4)]
    with web_of(child_environment, tmp_path) as address:
        session = session_of(token_of(user, site, Scope.UPLOAD))
        whole = DICOMwebClient(f"{address}/dicomweb", session=session)
        in_chunks = DICOMwebClient(f"{address}/dicomweb", session=session, chunk_size=1000)
        answers_ = [whole.store_instances(objects[:2]), in_chunks.store_instances(objects[2:], "1.2.3.6.1")]
        again = whole.store_instances(objects)

    stored = [item.ReferencedSOPInstanceUID for answer in answers_ for item in answer.ReferencedSOPSequence]
    assert stored == [item.ReferencedSOPInstanceUID for item in again.ReferencedSOPSequence]
    assert stored == [f"1.2.3.4.{number}" for number in range(4)]
    assert "FailedSOPSequence" not in again
    assert Upload.objects.count() == 1
    assert list(Item.objects.values_list("state", flat=True)) == [ItemState.RECEIVED] * 4
