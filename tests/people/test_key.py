"""The pseudonym key: only administrators reach it, with their password, and every act is on the chain."""

import errno
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from ml.vocabulary import pseudonymous_uid
from screening.audit.actor import Actor
from screening.people.errors import KeyNotChanged
from screening.people.keys import rotate_key
from screening.users.keys import FreshKey, fingerprint, site_key
from tests.people.conftest import PASSWORD, signed_in

UID = "1.2.840.99999.1"


def post(people, who, act: str, **form):
    return signed_in(who).post(reverse(act, args=[people.site.pk]), form)


def given(form: dict) -> list[str]:
    return [action for action, _actor, _detail in form if action.startswith("key:")]


@pytest.fixture
def with_password(people):
    people.admin.set_password(PASSWORD)
    people.admin.save()
    return people


def test_export_gives_the_key_to_an_administrator_who_gives_the_password_and_is_on_the_chain(with_password):
    people, key = with_password, site_key(with_password.site.pk)

    answer = post(people, people.admin, "key_export", password=PASSWORD)

    assert bytes.fromhex(answer.content.decode().strip()) == key
    assert answer["Cache-Control"].startswith("private, no-store") or "no-store" in answer["Cache-Control"]
    [(action, actor, detail)] = [event for event in people.events() if event[0].startswith("key:")]
    assert (action, actor, detail) == ("key:exported", f"user:{people.admin.pk}", {"key": fingerprint(key)})


@pytest.mark.parametrize("act", ["key_export", "key_rotate"])
def test_wrong_password_gives_and_changes_nothing(with_password, act):
    people, key = with_password, site_key(with_password.site.pk)

    answer = post(people, people.admin, act, password="a guess", name=people.site.name)

    assert answer.status_code == 403
    assert "not_yourself" in answer.content.decode()
    assert key.hex() not in answer.content.decode()
    assert site_key(people.site.pk) == key
    assert not given(people.events())


@pytest.mark.parametrize("act", ["key_export", "key_rotate"])
def test_somebody_who_came_in_by_a_link_and_has_no_password_is_told_to_set_one(people, act):
    people.admin.set_unusable_password()
    people.admin.save()

    answer = post(people, people.admin, act, password="", name=people.site.name)

    assert answer.status_code == 403
    assert not given(people.events())


@pytest.mark.parametrize("who", ["colleague", "stranger"])
@pytest.mark.parametrize("act", ["key_export", "key_rotate"])
def test_nobody_but_an_administrator_of_the_site_finds_the_key(with_password, who, act):
    person = getattr(with_password, who)
    person.set_password(PASSWORD)
    person.save()

    assert post(with_password, person, act, password=PASSWORD, name=with_password.site.name).status_code == 404


def test_rotation_needs_the_name_of_the_site(with_password):
    people, key = with_password, site_key(with_password.site.pk)

    assert post(people, people.admin, "key_rotate", password=PASSWORD, name="another").status_code == 400
    assert site_key(people.site.pk) == key


def test_rotation_ends_matching_and_leaves_both_marks_on_the_chain(with_password):
    people, before = with_password, site_key(with_password.site.pk)

    assert post(people, people.admin, "key_rotate", password=PASSWORD, name=people.site.name).status_code == 302

    after = site_key(people.site.pk)
    assert pseudonymous_uid(before, UID) != pseudonymous_uid(after, UID)
    path = Path(settings.KEY_ROOT) / f"{people.site.pk}.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.glob(f"{people.site.pk}.*")) == [path], "nothing of the keys is left beside"
    [(action, _, detail)] = [event for event in people.events() if event[0].startswith("key:")]
    assert (action, detail) == ("key:rotated", {"before": fingerprint(before), "key": fingerprint(after)})
    assert before.hex() not in str(people.events())


def test_rotation_that_the_disk_prevents_leaves_the_old_key_and_says_so_on_the_chain(with_password, monkeypatch):
    people, key = with_password, site_key(with_password.site.pk)

    def full(self):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(FreshKey, "take_over", full)
    with pytest.raises(KeyNotChanged):
        rotate_key(site=people.site, actor=Actor.user(people.admin))

    assert site_key(people.site.pk) == key
    assert given(people.events()) == ["key:rotated", "key:not_rotated"]
    assert len(list(Path(settings.KEY_ROOT).glob(f"{people.site.pk}.*"))) == 1
