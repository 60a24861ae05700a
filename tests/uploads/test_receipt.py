import csv
import io

import pytest

from ml.vocabulary import DISCLAIMER
from screening.flows.receipt import receipt, refused_archives
from screening.flows.receipt_forms import as_json, receipt_csv
from screening.results.models import ScreeningState
from screening.uploads.models import Archive, ArchiveState, ItemState
from screening.uploads.receipt import safe_cell
from tests.factories import (
    ImageFactory,
    ItemFactory,
    ModelVersionFactory,
    ScreeningFactory,
    StudyFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def version():
    return ModelVersionFactory(slug="xray-one")


@pytest.fixture
def upload(version):
    return UploadFactory(sealed=True, models_chosen=[version.name])


def screened(upload, version, path="a.png", **screening):
    study = StudyFactory(upload=upload, external_id=None)
    item = ItemFactory(upload=upload, accepted=True, path=path, study_id=study.pk)
    image = ImageFactory(study=study, sha256=item.sha256, notes=["small_picture"])
    return item, image, ScreeningFactory(image=image, model_version=version, **screening)


def lines(upload, **how) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(receipt_csv(upload, **how)))))


def test_an_accepted_file_shows_its_picture_and_what_each_model_said(upload, version):
    item, image, _ = screened(upload, version, scored_flagged=True, model_sha256="f" * 64, precision="bf16")

    [got] = receipt(upload, with_paths=True)

    assert (got.path, got.outcome, got.code, got.study) == ("a.png", "accepted", None, item.study_id)
    [picture] = got.images
    assert (picture.image, picture.frame, picture.modality, picture.quality) == (image.pk, 0, "xray", ["small_picture"])
    [result] = picture.results
    assert (result.model, result.outcome, result.flag, result.flagged) == ("xray-one@1.0.0", "scored", "flagged", True)
    assert (result.scores, result.thresholds) == ({"covid": 0.9, "normal": 0.1}, {"covid": 0.5})
    assert (result.model_sha256, result.precision) == ("f" * 64, "bf16")
    assert result.why.startswith("xray-one@1.0.0: flagged: the covid score 0.900 reaches")


def test_without_paths_there_is_no_path_and_the_order_does_not_follow_it(upload):
    items = [ItemFactory(upload=upload, path=f"{letter}.png") for letter in "zyxwvutsrqponmlkjihg"]

    got = list(receipt(upload, with_paths=False))

    assert [one.item for one in got] == sorted(item.pk for item in items)
    assert all("path" not in as_json(one, with_paths=False) for one in got)
    assert "path" not in lines(upload, with_paths=False)[0]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (ItemState.EXPECTED, "expected"),
        (ItemState.RECEIVED, "received"),
        (ItemState.NOT_SENT, "not_sent"),
        (ItemState.CANCELLED, "cancelled"),
    ],
)
def test_a_file_without_pictures_stands_on_the_receipt_all_the_same(upload, state, outcome):
    ItemFactory(upload=upload, state=state)

    [got] = receipt(upload, with_paths=True)

    assert (got.outcome, got.images) == (outcome, [])
    assert len(lines(upload, with_paths=True)) == 1


def test_a_refusal_says_what_happened_and_what_to_do(upload):
    ItemFactory(upload=upload, state=ItemState.REJECTED, code="truncated")

    [got] = receipt(upload, with_paths=True)

    assert got.code == "truncated"
    assert got.message == "The file ends before its pixels do."
    assert got.what_to_do == "Copy or export it again."


def test_a_duplicate_shows_the_picture_and_the_results_of_the_first(upload, version):
    first = UploadFactory(site=upload.site, sealed=True)
    item, image, _ = screened(first, version, scored=True)
    ItemFactory(upload=upload, state=ItemState.DUPLICATE, sha256=item.sha256, duplicate_of=item)

    [got] = receipt(upload, with_paths=True)

    assert (got.outcome, got.duplicate_of, got.study) == ("duplicate", item.pk, image.study_id)
    assert got.images[0].results[0].flag == "not flagged"


def test_a_duplicate_of_a_file_that_was_refused_says_why_there_is_nothing(upload):
    original = ItemFactory(upload=upload, state=ItemState.REJECTED, code="unreadable", path="a.png")
    ItemFactory(upload=upload, state=ItemState.DUPLICATE, duplicate_of=original, sha256=original.sha256, path="b.png")

    _, got = receipt(upload, with_paths=True)

    assert (got.outcome, got.code) == ("duplicate", "unreadable")


def test_another_sites_picture_of_the_same_bytes_is_never_shown(upload, version):
    elsewhere, _, _ = screened(UploadFactory(sealed=True), version, scored=True)
    ItemFactory(upload=upload, accepted=True, sha256=elsewhere.sha256)

    [got] = receipt(upload, with_paths=True)

    assert got.images == []


def test_results_are_those_of_the_present_pipeline_and_of_the_chosen_models(upload, version):
    _, image, _ = screened(upload, version, scored=True, pipeline="plane-0")
    ScreeningFactory(image=image, model_version=version, scored_flagged=True)
    asked_later = UploadFactory(site=upload.site)
    ScreeningFactory(image=image, upload=asked_later, scored=True)

    [got] = receipt(upload, with_paths=True)

    [result] = got.images[0].results
    assert result.flagged


def test_where_the_present_pipeline_has_no_result_the_last_one_is_shown(upload, version):
    screened(upload, version, scored=True, pipeline="plane-0")

    [got] = receipt(upload, with_paths=True)

    assert got.images[0].results[0].outcome == "scored"


def test_a_picture_that_was_not_assessed_never_reads_not_flagged(upload, version):
    screened(upload, version, state=ScreeningState.INCONCLUSIVE, code="not_chest")

    [line] = lines(upload, with_paths=True)

    assert (line["outcome"], line["result"], line["result_code"]) == ("accepted", "inconclusive", "not_chest")
    assert line["flag"] == "not assessed"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("orientation", "turn it upright and send it again"), ("polarity", "invert it, so that air is dark, and send it")],
)
def test_a_turned_or_inverted_picture_comes_with_what_to_do_about_it(upload, version, code, remedy):
    screened(upload, version, state=ScreeningState.INCONCLUSIVE, code=code)

    [item] = [as_json(one, with_paths=True) for one in receipt(upload, with_paths=True)]

    [result] = item["images"][0]["results"]
    assert (result["outcome"], result["code"], result["flagged"]) == ("inconclusive", code, False)
    assert remedy in result["why"]


def test_json_holds_the_agreed_names(upload, version):
    screened(upload, version, scored=True)

    [item] = [as_json(one, with_paths=True) for one in receipt(upload, with_paths=True)]

    assert {"path", "sha256", "outcome", "code", "message", "what_to_do", "study", "images"} <= set(item)
    [image] = item["images"]
    assert {"image", "frame", "modality", "quality", "results"} == set(image)
    assert {
        "model",
        "outcome",
        "why",
        "scores",
        "thresholds",
        "flagged",
        "model_sha256",
        "runtime",
        "precision",
    } <= set(image["results"][0])


def test_every_line_of_the_table_carries_the_disclaimer(upload, version):
    screened(upload, version, scored=True)
    ItemFactory(upload=upload, path="b.png")

    assert [line["disclaimer"] for line in lines(upload, with_paths=True)] == [DISCLAIMER, DISCLAIMER]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "  ="])
def test_no_cell_of_the_table_is_a_formula(upload, start):
    ItemFactory(upload=upload, path=f'{start}HYPERLINK("http://x","y").png')

    [line] = lines(upload, with_paths=True)

    assert line["path"].startswith("'")
    assert line["path"].endswith(".png")


def test_plain_values_of_the_table_stay_as_they_are():
    assert [safe_cell(value) for value in ("a=b", 3, None, "")] == ["a=b", "3", "", ""]


def test_the_number_of_queries_does_not_grow_with_the_receipt(upload, version, django_assert_max_num_queries):
    for n in range(30):
        screened(upload, version, path=f"{n}.png", scored=True)

    with django_assert_max_num_queries(10):
        assert len(list(receipt(upload, with_paths=True))) == 30


def test_zips_that_were_refused_are_named(upload):
    Archive.objects.create(upload=upload, size=3, incoming="x", state=ArchiveState.REJECTED, code="archive_unreadable")
    Archive.objects.create(upload=upload, size=3, incoming="y", state=ArchiveState.EXPANDED)

    assert [archive.code for archive in refused_archives(upload)] == ["archive_unreadable"]
