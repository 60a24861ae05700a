"""The pages for sending: who sees them, what they say, what a refusal leaves as it was."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from ml.vocabulary import DISCLAIMER
from screening.audit.models import AuditEvent
from screening.results.models import Screening, ScreeningState
from screening.studies.models import Image, Study, StudyState
from screening.uploads.models import ItemState, Upload, UploadState
from screening.uploads.storage import incoming_path
from screening.users.models import Role
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    SiteFactory,
    StudyFactory,
    UploadFactory,
    UserFactory,
)
from tests.phantoms import png_file
from tests.uploads.bringing import limit

pytestmark = pytest.mark.django_db

OF_AN_UPLOAD = ("detail", "progress", "receipt", "purge")
ACTS = ("seal", "cancel", "retry", "rescreen", "purge")


@pytest.fixture
def site():
    return SiteFactory(name="Here")


@pytest.fixture
def owner(site):
    return UserFactory(username="owner", role_at=(site, Role.STAFF))


@pytest.fixture
def colleague(site):
    return UserFactory(username="colleague", role_at=(site, Role.STAFF))


@pytest.fixture
def stranger():
    return UserFactory(username="stranger", role_at=(SiteFactory(name="Elsewhere"), Role.STAFF))


@pytest.fixture
def upload(site, owner):
    return UploadFactory(site=site, created_by=owner, name="Ward 3", sealed=True)


@pytest.fixture
def as_user(client):
    def sign_in(user):
        client.force_login(user)
        return client

    return sign_in


@pytest.mark.parametrize("page", OF_AN_UPLOAD)
def test_owner_and_colleague_see_an_upload_and_for_a_stranger_it_does_not_exist(
    as_user, owner, colleague, stranger, upload, page
):
    address = reverse(f"desk:{page}", args=[upload.pk])

    assert as_user(owner).get(address).status_code == 200
    assert as_user(colleague).get(address).status_code == 200
    assert as_user(stranger).get(address).status_code == 404


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.INTEGRATOR])
@pytest.mark.parametrize("page", OF_AN_UPLOAD)
def test_who_does_not_upload_sees_no_upload_since_it_shows_paths(as_user, site, upload, page, role):
    user = UserFactory(role_at=(site, role))

    assert as_user(user).get(reverse(f"desk:{page}", args=[upload.pk])).status_code == 404


@pytest.mark.parametrize("act", ACTS)
def test_a_stranger_acts_on_nothing(as_user, stranger, upload, act):
    before = AuditEvent.objects.count()

    response = as_user(stranger).post(reverse(f"desk:{act}", args=[upload.pk]), {"sure": "yes", "models": "x"})

    assert response.status_code == 404
    upload.refresh_from_db()
    assert (upload.state, upload.purged_at) == (UploadState.SEALED, None)
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("page", ["upload", "uploads", "quick"])
def test_every_page_carries_the_disclaimer(as_user, owner, upload, page):
    assert DISCLAIMER in as_user(owner).get(reverse(f"desk:{page}")).text


def test_the_limits_are_said_with_units_before_anyone_starts(as_user, owner):
    said = as_user(owner).get(reverse("desk:upload")).text

    assert (
        "At most 20,000 files of 512 MB each; a zip up to 4 GB, with at most "
        "20,000 entries and 16 GB unpacked; pictures up to 60 megapixels, 512 frames a file." in said
    )


def test_the_upload_page_lists_ones_own_open_uploads_alone(as_user, site, owner, colleague):
    mine = UploadFactory(site=site, created_by=owner, name="mine")
    UploadFactory(site=site, created_by=colleague, name="of a colleague")
    UploadFactory(site=site, created_by=owner, name="sealed one", sealed=True)

    page = as_user(owner).get(reverse("desk:upload"))

    assert page.context["open_uploads"] == [mine]


def test_uploads_are_paged_from_the_latest_and_none_is_shown_twice(as_user, site, owner):
    start = timezone.now()
    made = [UploadFactory(site=site, created_by=owner, created_at=start - timedelta(hours=n // 3)) for n in range(60)]
    client, after, seen = as_user(owner), "", []

    for _ in range(3):
        listed = client.get(reverse("desk:uploads"), {"after": after}).context["listed"]
        seen += [upload.pk for upload in listed.uploads]
        after = listed.following

    assert sorted(seen) == sorted(upload.pk for upload in made)
    assert after == ""


def test_progress_is_not_sent_again_while_nothing_moved(as_user, owner, upload):
    item = ItemFactory(upload=upload, received=True)
    client, address = as_user(owner), reverse("desk:progress", args=[upload.pk])
    etag = client.get(address)["ETag"]

    assert client.get(address, HTTP_IF_NONE_MATCH=etag).status_code == 304
    item.state = ItemState.REJECTED
    item.save()
    assert client.get(address, HTTP_IF_NONE_MATCH=etag).status_code == 200


def test_progress_asks_again_while_it_runs_and_no_more_once_it_is_finished(as_user, owner, site):
    running = UploadFactory(site=site, sealed=True)
    finished = UploadFactory(site=site, finished=True)
    client = as_user(owner)

    assert "every 2s" in client.get(reverse("desk:progress", args=[running.pk])).text
    assert "every 2s" not in client.get(reverse("desk:progress", args=[finished.pk])).text


def test_failures_are_grouped_by_reason_with_what_to_do(as_user, owner, upload):
    for _ in range(3):
        ItemFactory(upload=upload, state=ItemState.REJECTED, code="truncated")
    image = ImageFactory(study=StudyFactory(upload=upload))
    ScreeningFactory(image=image, state=ScreeningState.INCONCLUSIVE, code="wrong_view")

    reasons = as_user(owner).get(reverse("desk:detail", args=[upload.pk])).context["status"].reasons

    assert [(r.number, r.outcome, r.code, r.message, r.what_to_do) for r in reasons] == [
        (3, "rejected", "truncated", "The file ends before its pixels do.", "Copy or export it again."),
        (1, "not assessed", "wrong_view", "It is not a frontal view.", ""),
    ]


def test_the_receipt_shows_every_item_once_and_filters_by_outcome(as_user, owner, upload):
    for n in range(55):
        ItemFactory(upload=upload, path=f"a/{n:03}.png", accepted=True)
    ItemFactory(upload=upload, path="b/notes.txt", state=ItemState.REJECTED, code="not_an_image_file")
    client, address = as_user(owner), reverse("desk:receipt", args=[upload.pk])

    first = client.get(address).context["page"]
    second = client.get(address, {"after": first.following}).context["page"]
    rejected = client.get(address, {"outcome": "rejected"}).context["page"]

    paths = [line.item.path for line in (*first.lines, *second.lines)]
    assert paths == [*(f"a/{n:03}.png" for n in range(55)), "b/notes.txt"]
    assert [line.item.message for line in rejected.lines] == ["The file is not DICOM, PNG or JPEG."]
    assert sum(number for _state, _name, number in first.counts) == first.offered == 56


def test_a_file_of_several_pictures_shows_its_most_telling_word(as_user, owner, upload):
    item = ItemFactory(upload=upload, accepted=True)
    version = ModelVersionFactory()
    upload.models_chosen = [version.name]
    upload.save()
    study = StudyFactory(upload=upload)
    for frame, trait in enumerate(("scored", "scored_flagged", "scored")):
        image = ImageFactory(study=study, sha256=item.sha256, frame=frame)
        ScreeningFactory(image=image, model_version=version, **{trait: True})

    [line] = as_user(owner).get(reverse("desk:receipt", args=[upload.pk])).context["page"].lines

    assert [(said.model, said.word, said.pictures) for said in line.said] == [(version.name, "flagged", 1)]


def test_a_path_is_shown_as_text_whatever_it_holds(as_user, owner, upload):
    ItemFactory(upload=upload, path='<img src=x onerror="alert(1)">.png')

    said = as_user(owner).get(reverse("desk:receipt", args=[upload.pk])).text

    assert "<img src=x" not in said
    assert "&lt;img src=x" in said


def test_cancelling_says_so_and_cancels_what_waits(as_user, owner, upload):
    item = ItemFactory(upload=upload, received=True)

    response = as_user(owner).post(reverse("desk:cancel", args=[upload.pk]), follow=True)

    item.refresh_from_db()
    assert item.state == ItemState.CANCELLED
    assert "What was waiting is cancelled." in response.text


def test_cancelling_a_finished_upload_is_refused_in_words_and_changes_nothing(as_user, owner, site):
    upload = UploadFactory(site=site, finished=True)

    response = as_user(owner).post(reverse("desk:cancel", args=[upload.pk]), follow=True)

    upload.refresh_from_db()
    assert upload.state == UploadState.FINISHED
    assert "notice-error" in response.text


def test_asking_another_model_makes_its_screenings(as_user, owner, upload):
    item = ItemFactory(upload=upload, accepted=True)
    image = ImageFactory(study=StudyFactory(upload=upload), sha256=item.sha256)
    version = ModelVersionFactory()

    as_user(owner).post(reverse("desk:rescreen", args=[upload.pk]), {"models": [version.name]})

    assert Screening.objects.get(image=image).model_version == version


def test_asking_no_model_is_refused_and_changes_nothing(as_user, owner, upload):
    response = as_user(owner).post(reverse("desk:rescreen", args=[upload.pk]), follow=True)

    assert "Choose at least one model." in response.text
    assert not Screening.objects.exists()


def test_deleting_asks_first_and_deletes_only_after_a_yes(as_user, owner, upload):
    item = ItemFactory(upload=upload, accepted=True, path="ward/doe.png")
    study = StudyFactory(upload=upload)
    ImageFactory(study=study, sha256=item.sha256)
    item.study_id = study.pk
    item.save()
    client, address = as_user(owner), reverse("desk:purge", args=[upload.pk])

    client.post(address)
    assert Image.objects.count() == 1
    client.post(address, {"sure": "yes"})

    assert not Image.objects.exists()
    assert Study.objects.get().state == StudyState.PURGED
    assert client.get(reverse("desk:detail", args=[upload.pk])).status_code == 404


def test_a_quick_question_goes_the_way_of_every_upload_urgent_and_sealed(as_user, owner, site):
    picture = SimpleUploadedFile("one.png", png_file())

    response = as_user(owner).post(reverse("desk:quick"), {"picture": picture})

    upload = Upload.objects.get()
    assert (upload.quick, upload.priority, upload.state, upload.site) == (True, "urgent", UploadState.SEALED, site)
    item = upload.items.get()
    assert (item.state, item.path) == (ItemState.RECEIVED, "one.png")
    assert incoming_path(item.incoming).read_bytes() == png_file()
    assert reverse("desk:verdict", args=[upload.pk]) in response.text  # it asks for itself again


def test_a_quick_question_about_nothing_is_refused_and_opens_no_upload(as_user, owner):
    response = as_user(owner).post(reverse("desk:quick"), {"picture": SimpleUploadedFile("no.png", b"")})

    assert "empty_file" in response.text
    assert not Upload.objects.exists()


def test_a_quick_question_at_a_site_of_others_does_not_exist(as_user, owner):
    elsewhere = SiteFactory()
    picture = SimpleUploadedFile("one.png", png_file())

    response = as_user(owner).post(reverse("desk:quick"), {"picture": picture, "site": elsewhere.pk})

    assert response.status_code == 404
    assert not Upload.objects.exists()


def quick_upload(site, state, **item):
    upload = UploadFactory(site=site, sealed=True, quick=True)
    return upload, ItemFactory(upload=upload, state=state, **item)


def test_the_verdict_on_a_picture_that_one_model_could_not_score_never_reads_not_flagged(as_user, owner, site):
    upload, item = quick_upload(site, ItemState.ACCEPTED)
    image = ImageFactory(study=StudyFactory(upload=upload), sha256=item.sha256)
    ScreeningFactory(image=image, scored=True)
    ScreeningFactory(image=image, state=ScreeningState.INCONCLUSIVE, code="out_of_distribution")

    verdict = as_user(owner).get(reverse("desk:verdict", args=[upload.pk])).context["verdict"]

    assert (verdict.word, verdict.pending) == ("not assessed", False)
    assert sorted(opinion.word for opinion in verdict.opinions) == ["not assessed", "not flagged"]


def test_the_verdict_waits_until_every_model_answered_and_says_flagged_at_once(as_user, owner, site):
    upload, item = quick_upload(site, ItemState.ACCEPTED)
    image = ImageFactory(study=StudyFactory(upload=upload), sha256=item.sha256)
    ScreeningFactory(image=image, scored_flagged=True)
    ScreeningFactory(image=image)
    client, address = as_user(owner), reverse("desk:verdict", args=[upload.pk])

    page = client.get(address)

    assert (page.context["verdict"].word, page.context["verdict"].pending) == ("flagged", True)
    assert "hx-get" in page.text


def test_the_verdict_on_a_refused_picture_gives_the_reason_and_what_to_do(as_user, owner, site):
    upload, _item = quick_upload(site, ItemState.REJECTED, code="truncated")

    page = as_user(owner).get(reverse("desk:verdict", args=[upload.pk]))

    assert "The file ends before its pixels do." in page.text
    assert "Copy or export it again." in page.text
    assert "hx-get" not in page.text


def test_a_normal_upload_has_no_verdict_page(as_user, owner, upload):
    assert as_user(owner).get(reverse("desk:verdict", args=[upload.pk])).status_code == 404


def test_a_picture_that_no_model_reads_is_told_so_and_not_waited_for(as_user, owner, site):
    upload, item = quick_upload(site, ItemState.ACCEPTED)
    ImageFactory(study=StudyFactory(upload=upload), sha256=item.sha256)

    page = as_user(owner).get(reverse("desk:verdict", args=[upload.pk]))

    assert "no model in use reads pictures of its kind" in page.text
    assert "skeleton" not in page.text
    assert "hx-get" not in page.text


def test_a_cancelled_upload_says_why_no_model_can_be_asked(as_user, owner, site):
    ModelVersionFactory()
    upload = UploadFactory(site=site, state=UploadState.CANCELLED)

    said = as_user(owner).get(reverse("desk:detail", args=[upload.pk])).text

    assert "This upload was cancelled" in said
    assert "Every model in use was chosen" not in said


def test_a_part_that_shows_what_is_there_already_is_not_sent_again(as_user, owner, site):
    client = as_user(owner)
    upload = UploadFactory(site=site, sealed=True)
    address = reverse("desk:progress", args=[upload.pk])

    part = client.get(address)

    etag = part["ETag"].strip('"')
    assert f"""hx-headers='{{"If-None-Match": "\\"{etag}\\""}}'""" in part.text


def test_an_open_upload_can_be_continued_by_its_address_and_no_other_can(as_user, owner, stranger, site):
    upload = UploadFactory(site=site, created_by=owner, name="Ward 3")
    sealed = UploadFactory(site=site, created_by=owner, sealed=True)
    client, address = as_user(owner), reverse("desk:upload")

    def continued():
        return [client.get(address, {"continue": key}).context["continued"] for key in (upload.pk, sealed.pk, "x", "")]

    assert continued() == [upload, None, None, None]
    client = as_user(stranger)
    assert continued() == [None, None, None, None]


def test_the_browser_is_told_the_limits_that_it_checks(as_user, owner, settings):
    limit(settings, files=7, file_bytes=11, archive_bytes=13)

    said = as_user(owner).get(reverse("desk:upload")).text

    for line in ('data-limit-files="7"', 'data-limit-file-bytes="11"', 'data-limit-archive-bytes="13"'):
        assert line in said
