"""A process that polls as an integrator's script does, and keeps what it saw and where it was in two files.

python -m tests.races.polling URL TOKEN FOLDER, until FOLDER/stop is there and nothing is left. Killed at any moment
and started again it goes on from the place that it wrote last; what it saw after that it sees again.
"""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen


def ask(url: str, token: str, query: dict[str, Any]) -> dict[str, Any]:
    request = Request(f"{url}/api/v1/studies/?{urlencode(query)}", headers={"Authorization": f"Token {token}"})
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def kept(folder: Path) -> dict[str, Any]:
    place = folder / "place.json"
    return json.loads(place.read_text()) if place.exists() else {"changed_since": 0}


def keep(folder: Path, place: dict[str, Any]) -> None:
    """Replace the place in one step: a kill leaves the old one or the new one."""
    fresh = folder / "place.new"
    fresh.write_text(json.dumps(place))
    fresh.replace(folder / "place.json")


def main(url: str, token: str, folder: Path) -> None:
    place = kept(folder)
    highest = place.get("highest", 0)
    with (folder / "seen.ndjson").open("ab") as seen:
        seen.write(b"\n")  # a kill may have cut a line short
        while True:
            last = (folder / "stop").exists()  # asked before the page: what was written until now is in it
            where = {name: place[name] for name in ("cursor", "changed_since") if name in place}
            page = ask(url, token, where | {"limit": random.choice((1, 7, 50, 200)), "wait": 0 if last else 1})
            seen.write(b"".join(json.dumps(study).encode() + b"\n" for study in page["results"]))
            seen.flush()
            highest = max([highest, *(study["change_number"] for study in page["results"])])
            # Within a page's end studies may share a number: the cursor tells them apart, a number alone would not.
            place = {"cursor": page["cursor"]} if page["more"] else {"changed_since": highest}
            keep(folder, place | {"highest": highest})
            if last and not page["more"]:
                return
            time.sleep(random.uniform(0, 0.02))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
