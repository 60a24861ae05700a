import pytest

from tests.translating.extract import ROOT
from tests.translating.unmarked import Unmarked, in_script, in_template

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))

# Words that stay as they are in every language, each with its reason.
SAME_EVERYWHERE = {
    "UTC": "a time zone",
    "AUC": "a measure",
    "CSV": "a format",
    "JSON": "a format",
    "manage.py register_model": "a command",
    "Authorization: Token …": "a header",
}
IN_ENGLISH = {
    "templates/api/docs.html": "the description of the API is a machine's interface, and in English as a whole",
    "static/js/docs.js": "the script of that page",
}
IN_SCRIPTS = {
    "Escape": "a key",
    "Enter": "a key",
    "Delete": "a key",
    "VOI LUT": "DICOM's own name",
    "Stopped": "the name of an error",
    "Stopped by the user.": "for the console: the page says it in its own words",
}


def name_of(path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_text_of_a_template_is_marked_for_translation():
    found = [one for path in TEMPLATES if name_of(path) not in IN_ENGLISH for one in in_template(path, name_of(path))]

    assert [one for one in found if one.text not in SAME_EVERYWHERE and len(one.text) > 1] == []  # one letter: a key


def test_every_text_of_a_script_is_marked_for_translation():
    found = [one for path in SCRIPTS if name_of(path) not in IN_ENGLISH for one in in_script(path, name_of(path))]

    assert [one for one in found if one.text not in IN_SCRIPTS] == []


def test_no_exception_has_outlived_its_reason():
    texts = {one.text for path in TEMPLATES for one in in_template(path, "")}
    literals = {one.text for path in SCRIPTS for one in in_script(path, "")}

    assert set(SAME_EVERYWHERE) - texts == set()
    assert set(IN_SCRIPTS) - literals == set()
    assert [name for name in IN_ENGLISH if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("<p>{% translate 'Hello' %}</p>", []),
        ("<p>Hello</p>", ["Hello"]),
        ("<p>{{ name }} is here</p>", ["is here"]),
        ("{% blocktranslate with n=1 %}<b>Hello</b> {{ n }}{% endblocktranslate %}", []),
        ("<a title='Go on' href='x'>{{ x }}</a>", ["Go on"]),
        ("<button aria-label=\"{% translate 'Close' %}\" data-said='one moment'>1</button>", ["one moment"]),
        ("<input type='submit' value='Send'><input type='hidden' value='Send'>", ["Send"]),
        ("<script>const a = 'Hello you';</script><style>p { color: red }</style>", []),
    ],
)
def test_unmarked_text_of_a_template_is_found_wherever_a_person_meets_it(tmp_path, template, texts):
    path = tmp_path / "page.html"
    path.write_text(template)

    assert [one.text for one in in_template(path, "page.html")] == texts


@pytest.mark.parametrize(
    ("script", "texts"),
    [
        ('line.textContent = "It stopped here.";', ["It stopped here."]),
        ('line.textContent = t("It stopped here.");', []),
        ('say(paused ? "Paused" : t("Sending"));', ["Paused"]),
        ("say(`${n} files are left`);", ["${n} files are left"]),
        ('say(tn("{n} file is left", "{n} files are left", n));', []),
        ('el("p", { class: "small muted" }, document.querySelector("button, a"));', []),
        ('document.querySelector("#answers .notice a");', []),
    ],
)
def test_unmarked_text_of_a_script_is_found_and_a_selector_is_none(tmp_path, script, texts):
    path = tmp_path / "module.js"
    path.write_text(script)

    assert in_script(path, "module.js") == [Unmarked("module.js", text, 1) for text in texts]
