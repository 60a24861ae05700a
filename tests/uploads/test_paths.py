import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.uploads.paths import LONGEST, PathRefused, clean_path, digest, shown

# Names that zips and clients have used to leave the folder they were unpacked to.
CLIMBING = [
    "../a.png",
    "../../etc/passwd",
    "a/../../b.png",
    "a/..",
    "..",
    "/etc/passwd",
    "//server/share/a.png",
    "\\\\server\\share\\a.png",
    "..\\a.png",
    "a\\..\\..\\b.png",
    "\\a.png",
    "C:\\Windows\\a.png",
    "C:a.png",
    "c:/a.png",
    "./C:/a.png",
    "a.png\x00.txt",
    "a\nb.png",
    "a\x1b[2Jb.png",
    ".\u202e./a.png",
    "\ud800.png",
    "folder/",
    "",
    ".",
    "./",
    "a/.",
]


@pytest.mark.parametrize("raw", CLIMBING, ids=ascii)
def test_a_path_that_leaves_its_folder_or_hides_signs_is_refused(raw):
    with pytest.raises(PathRefused) as refused:
        clean_path(raw)

    assert refused.value.code == "path_unsafe"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a.png", "a.png"),
        ("./ward//7/a.png", "ward/7/a.png"),
        ("ward\\7\\a.png", "ward/7/a.png"),
        ("Zoe\u0308/a.png", "Zoë/a.png"),
        ("ray\u202egnp.exe", "raygnp.exe"),
        ("\ufeffa.png", "a.png"),
        ("מטופל/צילום.png", "מטופל/צילום.png"),
        ("🫁/a b.png", "🫁/a b.png"),
        ("a..b/...png", "a..b/...png"),
        ("x" * LONGEST, "x" * LONGEST),
    ],
    ids=ascii,
)
def test_a_plain_relative_path_has_one_spelling(raw, clean):
    assert clean_path(raw) == clean


def test_a_path_longer_than_the_limit_is_refused_as_too_long():
    with pytest.raises(PathRefused) as refused:
        clean_path("x" * (LONGEST + 1))

    assert refused.value.code == "path_too_long"


def test_paths_that_differ_by_case_are_two_paths():
    assert digest(clean_path("A.png")) != digest(clean_path("a.png"))


@given(st.text(max_size=300))
def test_any_text_is_cleaned_once_and_for_all_or_refused(raw):
    try:
        path = clean_path(raw)
    except PathRefused:
        return

    assert clean_path(path) == path
    assert unicodedata.is_normalized("NFC", path)
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert path.encode()


@given(st.text(st.sampled_from("./\\:aC\x00\u202e\ud800"), max_size=12))
def test_no_spelling_of_the_usual_tricks_gets_out(raw):
    try:
        path = clean_path(raw)
    except PathRefused:
        return

    assert ".." not in path.split("/")
    assert "\\" not in path
    assert not path.startswith(("/", "C:", "a:"))


@given(st.text(max_size=3000))
def test_what_is_shown_of_a_refused_path_can_be_stored_and_its_digest_taken(raw):
    text = shown(raw)

    assert len(text) <= LONGEST
    assert "\x00" not in text
    assert text.encode()
    assert len(digest(raw)) == 64
