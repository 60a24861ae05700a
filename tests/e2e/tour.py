"""The pictures of docs/tour.md, out of those that the tests in a browser take.

    SCREENSHOTS=shots make test ARGS="tests/e2e"
    .venv/bin/python -m tests.e2e.tour shots

Everything on them is drawn: the site, its people and the phantoms, which no person is behind.
"""

import re
import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
PICTURED = re.compile(r"\(img/tour/([\w-]+)\.webp\)")
VIEW = (1280, 860)  # pixels, as the browser's window
WIDTH = 960  # pixels, as they are kept


def names() -> list[str]:
    """The pictures that the tour shows, in its order. Each is named as the test names it: page, theme, width."""
    return PICTURED.findall((DOCS / "tour.md").read_text())


def keep(shots: Path, name: str) -> int:
    """Write one picture as it stands in the tour: the first window of a long page. Give its bytes."""
    kept = DOCS / "img/tour" / f"{name}.webp"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(shots / f"{name}.png") as taken:
        window = taken.convert("RGB").crop((0, 0, taken.width, min(taken.height, VIEW[1])))
    wide = min(WIDTH, window.width)
    small = window.resize((wide, round(window.height * wide / window.width)), Image.Resampling.LANCZOS)
    small.save(kept, quality=72, method=6)
    return kept.stat().st_size


if __name__ == "__main__":
    written = {name: keep(Path(sys.argv[1]), name) for name in names()}
    sys.stdout.write(f"{len(written)} pictures, {sum(written.values()) // 1024} KiB\n")
