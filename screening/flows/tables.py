"""A side table as a spreadsheet writes it: CSV in UTF-8 with the columns path, external_id and label."""

import csv
import io
from typing import Final

from django.utils.translation import gettext as _

from screening.errors import TableUnreadable
from screening.flows.references import ReferenceRow

COLUMNS: Final = ("path", "external_id", "label")
LONGEST: Final = {"path": 8192, "external_id": 120, "label": 40}


def read_table(content: bytes) -> list[ReferenceRow]:
    """Read a side table; columns of other names are passed over, lines without a path too.

    Raises:
        TableUnreadable: it is no CSV in UTF-8, its header names no path, or a value is too long.
    """
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), restkey="more", restval="")
        if "path" not in (table.fieldnames or ()):
            raise TableUnreadable(_("The first line does not name a column `path`."))
        lines = [{name: str(line.get(name) or "") for name in COLUMNS} for line in table]
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableUnreadable(_("The table is not CSV in UTF-8.")) from error
    for number, line in enumerate(lines, start=2):
        long = [name for name, most in LONGEST.items() if len(line[name]) > most]
        if long:
            raise TableUnreadable(
                _("Line %(line)s: %(column)s is longer than %(most)s characters.")
                % {"line": number, "column": long[0], "most": LONGEST[long[0]]}
            )
    return [ReferenceRow(**line) for line in lines if line["path"]]
