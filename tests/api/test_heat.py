"""Heat maps through the API: what there is, what can be asked for, and the files."""

import pytest

from screening.flows.explained import files_of
from screening.results.models import Explanation, ExplanationState
from screening.uploads.storage import blob_folder
from screening.users.models import Scope
from tests.api.conftest import refusal
from tests.factories import ExplanationFactory, ImageFactory, ScreeningFactory, StudyFactory, UploadFactory

SCORES = {"covid": 0.1, "normal": 0.9}


@pytest.fixture
def image(ward):
    study = StudyFactory(upload=UploadFactory(site=ward.site, sealed=True, created_by=ward.integrator), ready=True)
    return ImageFactory(study=study)


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator, Scope.READ)


def url(image):
    return f"/api/v1/images/{image.pk}/heat-maps/"


def test_a_drawn_map_tells_what_it_shows_and_where_its_files_are(ward, client, image):
    row = ScreeningFactory(image=image, model_version=ward.version, scored_flagged=True)
    drawn = ExplanationFactory(screening=row, drawn=True, altered={"original": 0.9, "no_lungs": 0.8})
    raw, overlay = files_of(drawn)
    blob_folder(image.site_id, image.sha256).mkdir(parents=True)
    raw.write_bytes(b"a map")
    overlay.write_bytes(b"a map over a picture")

    [told] = client.get(url(image)).json()["results"]

    assert (told["model"], told["label"], told["state"], told["outside"]) == (ward.version.name, "covid", "drawn", 0.25)
    assert told["why"] == (
        "25% of the heat lies outside the central field, two ellipses over 58% of what the model sees."
    )
    assert told["altered"] == {"original": 0.9, "no_lungs": 0.8}
    files = [client.get(told[name]) for name in ("raw", "overlay")]
    assert [(file["Content-Type"], b"".join(file.streaming_content)) for file in files] == [
        ("image/png", b"a map"),
        ("image/jpeg", b"a map over a picture"),
    ]


def test_a_score_without_a_flag_has_no_map_until_one_is_asked_for(ward, client, image):
    ScreeningFactory(image=image, model_version=ward.version, scored=True, scores=SCORES)
    assert [one["state"] for one in client.get(url(image)).json()["results"]] == ["not asked for"]

    answers = [client.post(url(image), {"model": ward.version.name, "label": "covid"}) for _ in range(2)]

    assert [(answer.status_code, answer.json()["results"][0]["state"]) for answer in answers] == [(202, "waiting")] * 2
    asked = Explanation.objects.get()
    assert (asked.state, asked.asked_by) == (ExplanationState.WAITING, ward.integrator)
    assert client.get(f"/api/v1/heat-maps/{asked.pk}/raw.png").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"model": "{model}", "label": "fracture"}, 409, "nothing_to_explain"),
        ({"model": "other@1.0.0", "label": "covid"}, 409, "nothing_to_explain"),
        ({"label": "covid"}, 400, "invalid"),
    ],
    ids=["another label", "another model", "no model"],
)
def test_what_cannot_be_explained_is_refused_with_a_code(ward, client, image, wanted, status, code):
    ScreeningFactory(image=image, model_version=ward.version, scored=True, scores=SCORES)
    body = {name: value.replace("{model}", ward.version.name) for name, value in wanted.items()}

    answer = client.post(url(image), body)

    assert refusal(answer) == (status, code)
    assert not Explanation.objects.exists()


def test_for_a_stranger_neither_list_nor_file_exists(ward, image):
    row = ScreeningFactory(image=image, model_version=ward.version, scored_flagged=True)
    drawn = ExplanationFactory(screening=row, drawn=True)
    stranger = ward.by_token(ward.stranger, site=ward.elsewhere)

    paths = (url(image), f"/api/v1/heat-maps/{drawn.pk}/raw.png", f"/api/v1/heat-maps/{drawn.pk}/overlay.jpg")

    assert [stranger.get(path).status_code for path in paths] == [404, 404, 404]
