"""What all pages together weigh, and that they ask nobody else for anything."""

import gzip
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120_000  # bytes of JavaScript, gzipped, of all pages together
ELSEWHERE = re.compile(
    r"""(?:src|href|action|url|fetch|import|from)\s*[=(]?\s*["'`(]\s*(?:https?:)?//[a-z0-9]""", re.IGNORECASE
)


def test_the_javascript_of_all_pages_stays_small():
    scripts = sorted((ROOT / "static").rglob("*.js"))

    total = sum(len(gzip.compress(script.read_bytes(), 9)) for script in scripts)

    assert len(scripts) > 20
    assert total < LIMIT, f"{total} bytes"


def test_no_page_names_another_host():
    files = [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "static/js").rglob("*.js"),
        *(ROOT / "static/css").rglob("*.css"),
    ]

    assert [str(file) for file in files if ELSEWHERE.search(file.read_text())] == []
