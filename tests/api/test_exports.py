import csv
import io
import json
import logging

import pytest
from django.utils import timezone

from ml.vocabulary import DISCLAIMER
from screening.api import exporting
from screening.api.exporting import COLUMNS
from screening.api.views import exports
from screening.results.models import ScreeningState
from screening.review.models import Review
from screening.studies.changes import mark_changed
from screening.users.models import Scope
from tests.api.conftest import refusal
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

CSV, NDJSON = "/api/v1/results.csv", "/api/v1/results.ndjson"


@pytest.fixture
def client(ward):
    return ward.by_token(ward.integrator, Scope.READ)


@pytest.fixture
def upload(ward):
    return UploadFactory(site=ward.site, sealed=True)


def study(upload, pictures=1, models=(), **values):
    made = StudyFactory(upload=upload, **({"ready": True} | values))
    for _ in range(pictures):
        image = ImageFactory(study=made)
        for model in models:
            ScreeningFactory(image=image, model_version=model, scored=True, model_sha256=model.sha256)
    mark_changed([(made.site_id, made.pk)])
    return made


def table(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


def lines(answer) -> list[dict]:
    assert answer.status_code == 200
    return [json.loads(line) for line in answer.getvalue().splitlines()]


def test_a_row_says_what_a_model_said_by_which_hash_against_which_operating_point_and_what_the_reader_made_of_it(
    ward, client, upload
):
    made = study(upload, pictures=0, flagged_ready=True, ready=False, external_id="case-1")
    image = ImageFactory(study=made, notes=["small_picture"])
    ScreeningFactory(image=image, model_version=ward.version, scored_flagged=True, model_sha256="f" * 64)
    Review.objects.create(
        study=made, revision=1, reader=ward.reviewer, finding="covid", answer="absent", comment="Smith", flagged=True
    )

    [row] = lines(client.get(NDJSON))
    [cells] = table(client.get(CSV))

    assert tuple(row) == tuple(cells) == COLUMNS
    assert {name: row[name] for name in ("study", "external_id", "study_flag", "image", "quality")} == {
        "study": str(made.pk),
        "external_id": "case-1",
        "study_flag": "flagged",
        "image": str(image.pk),
        "quality": ["small_picture"],
    }
    assert (row["model"], row["model_sha256"], row["thresholds"]) == ("xray-one@1.0.0", "f" * 64, {"covid": 0.5})
    assert (row["outcome"], row["code"], row["flag"]) == ("scored", None, "flagged")
    assert row["why"].startswith("xray-one@1.0.0: flagged")
    assert (row["review"], cells["review"]) == ({"covid": "dismissed"}, "covid=dismissed")
    assert (cells["thresholds"], cells["scores"]) == ("covid=0.500000", "covid=0.900000; normal=0.100000")
    assert (row["disclaimer"], cells["disclaimer"]) == (DISCLAIMER, DISCLAIMER)
    assert "Smith" not in str(row) + str(cells)


@pytest.mark.parametrize(
    ("flagged", "answer", "word"),
    [
        (True, "present", "confirmed"),
        (True, "absent", "dismissed"),
        (False, "present", "missed"),
        (False, "absent", "agreed not flagged"),
        (True, "unsure", "unsure"),
        (False, "not_assessable", "not assessable"),
    ],
)
def test_what_a_reader_answered_is_told_beside_the_flag_of_that_moment(ward, client, upload, flagged, answer, word):
    made = study(upload)
    Review.objects.create(study=made, revision=1, reader=ward.reviewer, finding="covid", answer=answer, flagged=flagged)

    assert [row["review"] for row in lines(client.get(NDJSON))] == [{"covid": word}]


def test_there_is_a_row_for_each_study_picture_and_model_and_one_for_a_study_without_any(ward, client, upload):
    models = [ward.version, ModelVersionFactory(slug="xray-two")]
    two = study(upload, pictures=2, models=models)
    bare = study(upload, pictures=0, ready=False)
    waiting = study(upload, pictures=1)

    rows = lines(client.get(NDJSON))

    assert [(row["study"], row["model"]) for row in rows] == [
        *[(str(two.pk), "xray-one@1.0.0"), (str(two.pk), "xray-two@1.0.0")] * 2,
        (str(bare.pk), None),
        (str(waiting.pk), None),
    ]
    assert [bool(row["image"]) for row in rows] == [True] * 4 + [False, True]
    assert [bool(row["cursor"]) for row in rows] == [False, False, False, True, True, True]


def test_a_picture_that_was_not_assessed_never_reads_not_flagged(ward, client, upload):
    made = study(upload, pictures=0, incomplete=True, ready=False)
    ScreeningFactory(
        image=ImageFactory(study=made), model_version=ward.version, state=ScreeningState.INCONCLUSIVE, code="not_chest"
    )

    [row] = lines(client.get(NDJSON))

    assert (row["outcome"], row["code"], row["flag"]) == ("inconclusive", "not_chest", "not assessed")
    assert row["study_flag"] == "not assessed"


def test_cut_off_anywhere_the_last_cursor_gives_the_rest_and_nothing_twice(ward, client, upload, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 2)
    for _ in range(5):
        study(upload, pictures=2, models=[ward.version])
    whole = lines(client.get(NDJSON))

    for cut in range(1, len(whole)):
        had = whole[:cut]
        while had and not had[-1]["cursor"]:
            had.pop()
        rest = lines(client.get(NDJSON, {"cursor": had[-1]["cursor"]} if had else {}))
        assert had + rest == whole


def test_a_study_of_many_pictures_comes_in_pieces_and_closes_with_its_last_row(ward, client, upload, monkeypatch):
    for pictures in (1, 5, 0, 2, 1, 1, 3):
        study(upload, pictures=pictures, models=[ward.version])
    whole = lines(client.get(NDJSON))

    monkeypatch.setattr(exporting, "PICTURES", 2)
    pieces = [[json.loads(line) for line in piece.splitlines()] for piece in client.get(NDJSON).streaming_content]

    assert [row for piece in pieces for row in piece] == whole
    assert max(len(piece) for piece in pieces) <= 3  # two pictures, and a study without any
    assert len([row for row in whole if row["cursor"]]) == 7


def test_a_study_that_changes_while_the_table_is_read_stands_again_and_none_is_missed(
    ward, client, upload, monkeypatch
):
    monkeypatch.setattr(exporting, "AT_ONCE", 1)
    first, second, third = (study(upload) for _ in range(3))

    pieces = iter(client.get(NDJSON).streaming_content)
    seen = [json.loads(next(pieces))["study"]]
    mark_changed([(second.site_id, second.pk)])
    seen += [json.loads(piece)["study"] for piece in pieces]

    assert seen == [str(first.pk), str(third.pk), str(second.pk)]


def test_no_cell_is_a_formula_and_no_path_is_in_any(ward, client, upload):
    made = study(upload, external_id='=HYPERLINK("http://x")')
    ItemFactory(upload=upload, accepted=True, path="Doe^Jane/a.png", study_id=made.pk)

    answers = client.get(CSV), client.get(NDJSON)
    text, other = (answer.getvalue().decode() for answer in answers)

    assert "\"'=HYPERLINK(" in text
    assert "Doe" not in text + other
    assert "a.png" not in text + other


def test_only_what_was_asked_for_is_exported(ward, client, upload):
    flagged = study(upload, flagged_ready=True, ready=False)
    study(upload)
    study(UploadFactory(site=ward.elsewhere, sealed=True))

    assert [row["study"] for row in lines(client.get(NDJSON, {"flagged": "true"}))] == [str(flagged.pk)]
    assert len(table(client.get(CSV))) == 2
    assert refusal(client.get(CSV, {"site": str(ward.elsewhere.pk)})) == (404, "not_found")
    assert refusal(client.get(CSV, {"cursor": "x"})) == (400, "invalid")


def test_what_a_reviewer_is_still_to_answer_blindly_is_not_among_the_rows(ward, upload):
    hidden, answered = study(upload), study(upload)
    ward.site.blinded_since = timezone.now()
    ward.site.save()
    Review.objects.create(
        study=answered, revision=1, reader=ward.reviewer, finding="covid", answer="absent", flagged=True
    )

    assert [row["study"] for row in lines(ward.by_session(ward.reviewer).get(NDJSON))] == [str(answered.pk)]
    seen = lines(ward.by_session(ward.integrator).get(NDJSON))
    assert {row["study"] for row in seen} == {str(hidden.pk), str(answered.pk)}


def test_a_site_without_studies_gives_a_table_that_holds_the_disclaimer_alone(client):
    [row] = table(client.get(CSV))

    assert {name: cell for name, cell in row.items() if cell} == {"disclaimer": DISCLAIMER}
    assert client.get(NDJSON).getvalue() == b""


def test_no_more_exports_run_than_there_are_places_and_a_place_comes_back_with_the_end(client, upload, caplog):
    caplog.set_level(logging.INFO, logger="screening.access")
    study(upload)
    held = [client.get(CSV) for _ in range(exports.AT_ONCE)]

    refused = client.get(CSV)
    assert refusal(refused) == (503, "too_many_exports")
    assert int(refused["Retry-After"]) > 0

    assert [len(table(answer)) for answer in held] == [1, 1]
    assert len(table(client.get(CSV))) == 1
    assert client.get(CSV).getvalue()
    assert "exported" in caplog.text


def test_a_caller_who_goes_away_leaves_the_place_to_the_next():
    ended = []
    streams = [exports.Streamed(iter(["a", "b"]), lambda: ended.append(True)) for _ in range(exports.AT_ONCE)]
    assert next(iter(streams[0])) == "a"

    [stream.close() for stream in streams * 2]

    assert len(ended) == exports.AT_ONCE
    exports.Streamed(iter(()), lambda: None).close()
