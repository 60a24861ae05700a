"""A class of three in a real browser, from the set-up to the reveal: a teacher and three students, by keyboard."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from ml.images.preview import make_preview
from screening.classes.answering import record_answer
from screening.classes.models import Case, ClassAnswer, ReadingSet, SetState
from screening.classes.revealing import reveal_set
from screening.review.models import Review
from screening.uploads.storage import blob_folder
from tests.classes.taught import Taught, a_class, path_of
from tests.e2e.conftest import PATIENCE, faults_seen
from tests.e2e.scene import CARD
from tests.factories import ExplanationFactory
from tests.phantoms import radiograph

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
CASES = (*(("covid", 0.9),) * 5, ("covid", 0.2), *(("normal", 0.1),) * 5, ("normal", None))


@pytest.fixture
def taught() -> Taught:
    """Twelve drawn cases with previews, a teacher and three students with passwords."""
    made = a_class(cases=CASES)
    made.version.card, made.version.title = CARD, "COVID-19, other pneumonia or normal"
    made.version.save()
    for place, study in enumerate(made.studies):
        image = study.images.get()
        folder = blob_folder(image.site_id, image.sha256)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "0.jpg").write_bytes(make_preview(radiograph(400, 380, seed=place)))
    parts = {"original": 0.9, "no_lungs": 0.87, "border_only": 0.34}
    for study in made.studies[:3]:
        ExplanationFactory(screening=study.screenings.get(), drawn=True, altered=parts)
    for user in (made.teacher, *made.students):
        user.set_password(PASSWORD)
        user.save()
    return made


@pytest.fixture
def stranger(browser, live_server):
    """Open a page as nobody yet, as often as asked: every one is a computer of its own."""
    contexts = []

    def open_page() -> Page:
        view = {"width": 1280, "height": 860}
        contexts.append(browser.new_context(base_url=live_server.url, viewport=view, reduced_motion="reduce"))
        contexts[-1].set_default_timeout(PATIENCE)
        page = contexts[-1].new_page()
        page.goto(reverse("sign_in"))
        return page

    yield open_page
    for context in contexts:
        context.close()


def sign_in(page: Page, name: str) -> None:
    """By keyboard: the first field has the focus."""
    expect(page.locator("[name=username]")).to_be_focused()  # else what is typed first is lost
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/sign-in" not in address)


def set_up(page: Page, taught: Taught, table) -> None:
    """The teacher: a table with one mistake, then the right one, readers, and the opening."""
    truths = list(enumerate(taught.truths))
    table.write_text("\n".join(["file,label", *(f"{path_of(n)},{truth}" for n, truth in truths[1:]), "gone.png,covid"]))
    page.get_by_role("link", name="Classes").click()
    page.get_by_role("link", name="Teach at Class 3b").click()
    page.get_by_label("Name").fill("Monday morning")
    page.get_by_label("Table of labels").set_input_files(table)
    assert faults_seen(page, "class-sets") == []
    page.get_by_role("button", name="Make the set").click()
    expect(page.get_by_text("unknown_file")).to_be_visible()
    expect(page.get_by_text("picture_without_label")).to_be_visible()
    assert faults_seen(page, "class-problems") == []
    table.write_text("\n".join(["Image;Diagnosis", *(f"case-{n:02}.png;{truth.upper()}" for n, truth in truths)]))
    page.get_by_label("Table of labels").set_input_files(table)
    page.get_by_role("button", name="Take over the table").click()
    expect(page.locator(".notice-success")).to_contain_text("taken over")
    expect(page.get_by_text("unknown_file")).to_have_count(0)
    for student in taught.students:
        page.get_by_label(student.username).check()
    page.get_by_role("button", name="Store the readers").click()
    expect(page.locator(".notice-success")).to_contain_text("hidden from the readers")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_text("0 of 12").first).to_be_visible()


def begin(page: Page, name: str) -> None:
    """A student comes in and opens the first case that is open to them."""
    sign_in(page, name)
    page.get_by_role("link", name="Classes").click()
    page.get_by_role("link", name="Monday morning").first.click()


def case_on(page: Page) -> Case:
    return Case.objects.get(pk=page.url.rstrip("/").split("/")[-1])


def read(page: Page, cases: int, *, wrong_about: str = "") -> None:
    """Answer so many cases by keyboard alone: a digit, Enter, n."""
    for left in range(cases, 0, -1):
        page.wait_for_selector("[data-viewer][data-ready]")
        expect(page.locator("main")).not_to_contain_text("flagged")
        case = case_on(page)
        page.keyboard.press("1" if case.present != (case.truth == wrong_about) else "2")
        page.keyboard.press("Enter")
        expect(page.locator("#answers .notice-good")).to_be_visible()
        page.wait_for_selector("[data-viewer][data-ready]")
        before = page.url
        page.keyboard.press("n" if left > 1 or page.locator("[data-key-n]").count() else "u")
        page.wait_for_url(lambda address, before=before: address != before)


def test_a_class_of_three_from_the_set_up_to_the_reveal(taught, stranger, tmp_path):
    teacher = stranger()
    sign_in(teacher, "tea")
    set_up(teacher, taught, tmp_path / "labels.csv")

    first = stranger()
    begin(first, "student1")
    read(first, 5)
    elsewhere = stranger()  # the same student at another computer goes on where they stopped
    begin(elsewhere, "student1")
    expect(elsewhere.locator("#answers")).to_contain_text("5 of 12")
    read(elsewhere, 7)
    second, third = stranger(), stranger()
    begin(second, "student2")
    read(second, 12, wrong_about="covid")
    begin(third, "student3")
    read(third, 3)
    third.goto(reverse("classroom:results", args=[ReadingSet.objects.get().pk]))
    expect(third.locator("main")).to_contain_text("not_revealed")

    expect(teacher.locator("#progress")).to_contain_text("2 of 3 have answered every case.")  # it came by itself
    expect(teacher.locator("#progress")).to_contain_text("3 of 12")
    teacher.get_by_label("End the reading for everybody.").check()
    teacher.get_by_role("button", name="Reveal to the class").click()
    expect(teacher.get_by_role("heading", name="Results of Monday morning")).to_be_visible()
    for told in ("student1", "student3", "1 not assessed", "Not assessed by the model", "Shortcut likely"):
        expect(teacher.locator("main")).to_contain_text(told)
    with teacher.expect_download() as taken:
        teacher.get_by_role("link", name="Figures as CSV").click()
    assert "student2,reader,sensitivity,0.0000," in taken.value.path().read_text()

    second.goto(reverse("classroom:home"))
    second.get_by_role("link", name="Results").click()
    expect(second.locator("main")).to_contain_text("student2")
    expect(second.locator("main")).not_to_contain_text("student1")
    assert ReadingSet.objects.get().state == SetState.REVEALED
    assert ClassAnswer.objects.count() == 27
    assert Review.objects.count() == 0


def test_nothing_is_wrong_with_the_pages_of_a_class(taught, enter):
    found = taught.opened()
    student, site = taught.students[0], taught.site.pk
    for case in list(found.cases.all())[:4]:
        record_answer(case_id=case.pk, reader=student, answer="present")
    case = found.cases.get(number=5)
    teacher, reader = enter(taught.teacher, reverse("classroom:home")), enter(student, reverse("classroom:home"))

    faults = {"home": faults_seen(reader, "class-home")}
    reader.goto(reverse("classroom:set", args=[found.pk]))
    faults["set"] = faults_seen(reader, "class-set")
    reader.goto(reverse("classroom:case", args=[found.pk, case.pk]))
    reader.wait_for_selector("[data-viewer][data-ready]")
    faults["case"] = faults_seen(reader, "class-study-case")
    teacher.goto(reverse("classroom:manage", args=[site, found.pk]))
    faults["open"] = faults_seen(teacher, "class-open")
    for one, wrong in zip(taught.students, ((), (1, 2, 3), (2, 9)), strict=True):
        taught.answer_rightly(found, one, but=wrong)
    reveal_set(set_id=found.pk, teacher=taught.teacher)
    for page, name in ((teacher, "results-teacher"), (reader, "results-reader")):
        page.goto(reverse("classroom:results", args=[found.pk]))
        faults[name] = faults_seen(page, f"class-{name}")

    assert {name: told for name, told in faults.items() if told} == {}
