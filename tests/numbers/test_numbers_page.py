"""Which rows the figures of a site are made of, and when it is said that they are not known yet."""

import csv
import io
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from screening.numbers.figures import Accuracy
from screening.numbers.numbers_page import Numbers, numbers_of
from screening.results.models import SeriesResult
from screening.review.models import Cause, Kind, Review
from screening.studies.models import Patient, Study
from screening.users.models import Role, Site
from tests.factories import ModelVersionFactory, SiteFactory, StudyFactory
from tests.numbers.answering import Ward

pytestmark = pytest.mark.django_db


@pytest.fixture
def ward(site, version):
    return Ward(site, version)


def told(ward, user, days: int = 90) -> Numbers:
    return numbers_of(site=ward.site, version=ward.version, label="covid", days=days, user=user)


def page(user, site, name: str = "numbers:numbers", **query) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get(reverse(name, args=[site.pk]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_flag_is_worth_what_readers_said_of_flags_like_it(ward, ada):
    for place in range(30):
        ward.answered(0.7, "present" if place < 12 else "absent", blinded=place % 2 == 0)
    for _ in range(4):
        ward.answered(0.7, "unsure")

    assert told(ward, ada).ppv.text == (
        f"Of 100 flags like this ({ward.site.name}, {ward.version.name}, operating point 0.5, last 12 months) readers "
        "marked the finding present in about 40 (95 % interval 25 to 58; 30 decided, 4 unsure). "
        "Agreement with readers, not proof of disease."
    )


def test_below_thirty_decided_flags_it_is_not_yet_known(ward, ada):
    for _ in range(29):
        ward.answered(0.7, "present")
    for _ in range(5):
        ward.answered(0.7, "unsure")

    ppv = told(ward, ada).ppv

    assert "not yet known (29 decided, 5 unsure)" in ppv.text
    assert (ppv.value, ppv.interval) == (None, None)


def test_flags_of_another_point_another_version_another_site_and_years_ago_are_no_flags_like_this(ward, ada):
    ward.answered(0.7, "present")
    ward.answered(0.7, "present", point=0.6)
    ward.answered(0.4, "present")
    ward.answered(0.7, "present", days_ago=400)
    Ward(ward.site, ModelVersionFactory()).answered(0.7, "present")
    Ward(SiteFactory(), ward.version).answered(0.7, "present")

    assert told(ward, ada).ppv.decided == 1


def test_confirmed_dismissed_and_missed_come_of_comparing(ward, ada):
    for score, answer in (
        (0.7, "present"),
        (0.7, "absent"),
        (0.2, "present"),
        (0.2, "present"),
        (0.2, "absent"),
        (0.7, "unsure"),
        (0.2, "not_assessable"),
    ):
        ward.answered(score, answer)

    compared = told(ward, ada).compared

    assert (compared.confirmed, compared.dismissed, compared.missed, compared.agreed_not_flagged) == (1, 1, 2, 1)
    assert (compared.unsure, compared.not_assessable) == (1, 1)


def test_sensitivity_and_specificity_are_weighted_by_the_chance_to_be_drawn(ward, ada):
    ward.a_sampled_year()

    accuracy = told(ward, ada).accuracy

    # 20 found, and 2 missed in a tenth stand for 20; 28 of the sample stand for 280 beside 10 false flags.
    assert accuracy.sensitivity.value == pytest.approx(20 / 40)
    assert accuracy.specificity.value == pytest.approx(280 / 290)
    assert accuracy.sensitivity.interval.low < 0.5 < accuracy.sensitivity.interval.high
    assert (accuracy.sampled, accuracy.present) == (30, 22)
    assert accuracy.roc[-1].sensitivity == pytest.approx(1)


@pytest.mark.parametrize(("sampled", "missed", "found"), [(29, 2, 20), (30, 0, 9)])
def test_with_too_few_sampled_or_present_they_are_not_estimable_yet(ward, ada, sampled, missed, found):
    for place in range(30):
        ward.answered(0.7, "present" if place < found else "absent", probability=1.0)
    for place in range(sampled):
        ward.answered(0.2, "present" if place < missed else "absent", probability=0.1)

    accuracy = told(ward, ada).accuracy

    assert accuracy == Accuracy(None, None, None, (), sampled, found + missed)


def test_answers_that_saw_the_model_or_were_not_drawn_weigh_nothing(ward, ada):
    ward.a_sampled_year()
    before = told(ward, ada).accuracy
    for _ in range(5):
        ward.answered(0.2, "present", blinded=False, probability=0.1)
        ward.answered(0.2, "present", probability=0.1, drawn=False)
        ward.answered(0.2, "present")  # no draw took place
        ward.answered(0.2, "unsure", days_ago=200, probability=0.1)

    after = told(ward, ada).accuracy

    assert (after.sampled, after.present) == (before.sampled, before.present)


def test_what_was_drawn_and_is_still_open_is_taken_to_be_like_what_was_answered(ward, ada):
    ward.a_sampled_year()
    for study in Study.objects.filter(flagged=False)[:10]:
        study.samples.create(site=ward.site, revision=2, flagged=False, probability=0.1, drawn=True)

    accuracy = told(ward, ada).accuracy

    # 40 were drawn of what was not flagged and 30 answered: each stands for 13.3 studies, not for 10.
    assert accuracy.sensitivity.value == pytest.approx(20 / (20 + 2 * 10 * 40 / 30))


def test_studies_that_another_model_looked_at_weigh_nothing_in_the_figures_of_this_one(ward, ada):
    ward.a_sampled_year()
    Site.objects.filter(pk=ward.site.pk).update(blinded_since=timezone.now() - timedelta(days=300))
    ward.site.refresh_from_db()
    before = told(ward, ada).accuracy
    scans = Ward(ward.site, ModelVersionFactory(slug="ct-covid", modality="ct"))
    for _ in range(20):
        scans.answered(0.2, "absent", probability=0.1)
        scans.answered(0.9, "present")

    after = told(ward, ada).accuracy

    assert after.sensitivity.value == pytest.approx(before.sensitivity.value)
    assert after.specificity.value == pytest.approx(before.specificity.value)
    assert (after.sampled, after.present) == (before.sampled, before.present)


def test_at_a_blinded_site_a_flagged_study_without_a_draw_stands_for_itself(ward, ada):
    ward.site.blinded_since = timezone.now() - timedelta(days=300)
    ward.site.save()
    for place in range(30):
        ward.answered(0.7, "present" if place < 20 else "absent")
    for place in range(30):
        ward.answered(0.2, "present" if place < 2 else "absent", probability=0.1)

    assert told(ward, ada).accuracy.sensitivity.value == pytest.approx(20 / 40)


def test_pictures_of_one_patient_make_the_interval_wide(ward, ada):
    one = Patient.objects.create(site=ward.site, pseudonym="one")
    for place in range(30):
        ward.answered(0.6 + place / 100, "present" if place < 20 else "absent", probability=1.0)
    for place in range(40):
        ward.answered(0.2, "present" if place < 4 else "absent", probability=0.1, patient=one if place < 4 else None)

    interval = told(ward, ada).accuracy.sensitivity.interval

    assert interval.high == 1.0  # in a third of the resamples the one patient with every miss is not drawn at all


def test_readers_agree_on_random_double_reads_alone(ward, ada):
    said = [("present", "present")] * 6 + [("absent", "absent")] * 9 + [("present", "absent")] * 3
    for first, second in [*said, ("absent", "present"), ("unsure", "absent")]:
        ward.read_twice(ward.answered(0.7, first), second)
    for _ in range(7):
        ward.read_twice(ward.answered(0.7, "present"), "absent", cause=Cause.DISMISSED)
        ward.read_twice(ward.answered(0.7, "present"), "absent", blinded=False)

    with_unsure, without = told(ward, ada).agreements[:2]

    assert (with_unsure.n, without.n) == (20, 19)
    assert without.raw == pytest.approx(15 / 19)
    assert without.positive == pytest.approx(12 / 16)
    assert without.negative == pytest.approx(18 / 22)
    chance = (9 * 7 + 10 * 12) / 19**2  # the table is 6, 3 and 1, 9
    assert without.kappa == pytest.approx((15 / 19 - chance) / (1 - chance))
    assert without.interval.low < without.kappa < without.interval.high


def test_model_and_reader_have_a_kappa_on_the_weighted_sample_and_none_on_flags_alone(ward, ada):
    for place in range(40):
        ward.answered(0.7, "present" if place < 20 else "absent", probability=1.0)
    assert [one.kappa for one in told(ward, ada).agreements[2:]] == [None, None]

    for place in range(30):
        ward.answered(0.2, "present" if place < 2 else "absent", probability=0.1)
    _, without = told(ward, ada).agreements[2:]

    # Flagged 20 and 20, not flagged 20 and 280 once weighted: 300 of 340 agree, 268 of them by chance.
    chance = (40 * 40 + 300 * 300) / 340**2
    assert without.n == 70
    assert without.raw == pytest.approx(300 / 340)
    assert without.kappa == pytest.approx((300 / 340 - chance) / (1 - chance))
    assert without.interval is not None


def test_changes_once_the_answer_of_the_models_was_shown_are_counted(ward, ada):
    for before, after in (("absent", "present"), ("absent", "present"), ("present", "present")):
        study = ward.answered(0.7, before)
        old = study.reviews.get()
        old.superseded_by = old
        old.save()
        new = ward.review(study, after, blinded=False, kind=Kind.AFTER_UNBLINDING)
        old.superseded_by = new
        old.save()

    assert told(ward, ada).changed == (3, [("absent", "present", 2)])


def test_a_change_counts_from_the_blinded_answer_also_where_that_was_taken_back(ward, ada):
    study = ward.answered(0.7, "absent")
    take_back(study.reviews.get())

    ward.review(study, "present", blinded=False, kind=Kind.AFTER_UNBLINDING)

    assert told(ward, ada).changed == (1, [("absent", "present", 1)])


def test_a_change_that_was_taken_back_is_none(ward, ada):
    study = ward.answered(0.7, "absent")
    Review.objects.update(superseded_by=F("pk"))
    take_back(ward.review(study, "present", blinded=False, kind=Kind.AFTER_UNBLINDING))
    Review.objects.filter(blinded=True).update(superseded_by=None)

    assert told(ward, ada).changed == (0, [])


def take_back(review: Review) -> None:
    review.superseded_by = review
    review.save()


def test_a_pair_of_readers_in_which_one_slipped_is_no_measure_of_how_they_agree(ward, ada):
    ward.read_twice(ward.answered(0.7, "present"), "present")
    study = ward.answered(0.7, "present")
    take_back(study.reviews.get())
    ward.review(study, "absent", blinded=False, kind=Kind.AFTER_UNBLINDING)
    ward.read_twice(study, "absent")

    assert told(ward, ada).agreements[0].n == 1


def test_studies_with_a_picture_that_was_not_assessed_are_no_part_of_sensitivity(ward, ada):
    ward.site.blinded_since = timezone.now() - timedelta(days=300)
    ward.site.save()
    ward.a_sampled_year()
    before = told(ward, ada).accuracy
    for _ in range(5):
        for score, probability in ((0.7, None), (0.2, 0.1)):
            study = ward.answered(score, "present", probability=probability)
            Study.objects.filter(pk=study.pk).update(not_assessed=True)

    after = told(ward, ada).accuracy

    assert (after.sampled, after.present) == (before.sampled, before.present)
    assert after.sensitivity.value == before.sensitivity.value


def test_slices_of_a_series_that_is_inconclusive_are_no_flags(site, ada):
    ct = ModelVersionFactory(modality="ct")
    ward = Ward(site, ct)
    study = ward.answered(0.9, "absent")
    study.images.update(series_uid="1.2")
    series = SeriesResult.objects.create(
        study=study,
        model_version=ct,
        pipeline="plane-1",
        series_uid="1.2",
        outcome="inconclusive",
        code="too_few_slices",
        slices=1,
    )

    assert told(ward, ada).compared.dismissed == 0
    series.series_uid = "1.3"  # of other pictures: this one counts by itself
    series.save()
    assert told(ward, ada).compared.dismissed == 1


def test_the_time_to_answer_is_told_by_mean_and_longest(ward, ada):
    for score, hours in ((0.7, 1), (0.7, 3), (0.2, 20)):
        ward.answered(score, "absent", hours=hours)

    numbers = told(ward, ada)

    assert numbers.waits.mean == timedelta(hours=8)
    assert numbers.waits.longest == timedelta(hours=20)
    assert numbers.waits_flagged.longest == timedelta(hours=3)


def test_studies_are_counted_by_tray_and_state_and_day(ward, ada):
    ward.answered(0.7, "present")
    yesterday = timezone.now() - timedelta(days=1)
    for more in ({"flagged_ready": True}, {"incomplete": True}, {"incomplete": True, "flagged": True}, {"ready": True}):
        StudyFactory(upload=ward.upload, **more, completed_at=yesterday)
    StudyFactory(upload=ward.upload)  # still on its way

    numbers = told(ward, ada)

    assert {(tray.tray, tray.state): tray.studies for tray in numbers.trays} == {
        ("flagged", "ready"): 1,
        ("flagged", "incomplete"): 1,
        ("flagged", "reviewed"): 1,
        ("not assessed", "incomplete"): 2,
        ("not flagged", "ready"): 1,
    }
    assert [(day.studies, day.flagged, day.not_assessed) for day in numbers.by_day] == [(5, 3, 2), (0, 0, 0)]
    assert (numbers.flag_rate.studies, numbers.flag_rate.flagged) == (1, 1)


def test_a_reviewer_is_shown_no_numbers_since_counts_tell_of_single_studies(ward, ada):
    ward.answered(0.7, "present")

    assert "studies that it scored" in page(ada, ward.site)
    client = Client()
    client.force_login(ward.reader)
    for name in ("numbers:numbers", "numbers:table"):
        assert client.get(reverse(name, args=[ward.site.pk])).status_code == 404


def test_the_table_says_what_the_page_says(ward, ada):
    ward.a_sampled_year()

    rows = list(csv.reader(io.StringIO(page(ada, ward.site, "numbers:table", days=90))))
    by_name = {(name, part): (value, low, high, n) for name, part, value, low, high, n in rows[1:]}

    assert rows[0] == ["figure", "part", "value", "low", "high", "n"]
    assert by_name["sensitivity", "weighted"][0] == "0.5000"
    assert by_name["answers", "missed"][0] == "2"
    assert by_name["disclaimer", ""][0].startswith("For education only")
    assert "0.500" in page(ada, ward.site)


def test_a_page_asks_a_bounded_number_of_questions(ward, ada, django_assert_max_num_queries):
    ward.a_sampled_year()
    client = Client()
    client.force_login(ada)

    with django_assert_max_num_queries(32):
        assert client.get(reverse("numbers:numbers", args=[ward.site.pk])).status_code == 200


def test_an_empty_site_is_told_what_is_not_known_yet(site, version, ada):
    shown = page(ada, site)

    assert "not yet known (0 decided, 0 unsure)" in shown
    assert "Not estimable yet." in shown
    assert "No study became complete in this period." in shown


def test_the_first_site_is_opened_and_the_others_are_named(site, version, ada):
    other = SiteFactory(name="Zone 9")
    other.memberships.create(user=ada, role=Role.ADMIN)
    client = Client()
    client.force_login(ada)

    answer = client.get(reverse("numbers:home"))

    assert answer["Location"] == reverse("numbers:numbers", args=[site.pk])
    assert "Zone 9" in page(ada, site)


def test_the_threshold_page_tells_sensitivity_at_another_point_once_it_can(ward, ada):
    ward.a_sampled_year()

    shown = page(ada, ward.site, "numbers:thresholds", value="0.05", days="30")

    assert "not estimable yet" not in shown
    assert '<strong class="figure">1.000</strong>' in shown
