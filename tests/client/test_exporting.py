"""A table that is cut off goes on where it was, in both forms, and holds every row once."""

import asyncio
import json

import pytest

from chest_client import AsyncClient, Client, Patience
from chest_client.exporting import Table
from tests.client.proxy import LOST, Proxy
from tests.client.service import Door

HEADER = b'"study","note","cursor","disclaimer"\r\n'
FIRST = b'"1","a ""line""\r\nbreak","","d"\r\n"1","b","AA","d"\r\n'
SECOND = b'"2","","BB","d"\r\n'
NOTHING = b'"","","","d"\r\n'
# By cursor: what the service gives.
TABLES = {
    "csv": {None: HEADER + FIRST + SECOND, "AA": HEADER + SECOND, "BB": HEADER + NOTHING},
    "ndjson": {
        None: b'{"study": 1, "cursor": null}\n{"study": 1, "cursor": "AA"}\n{"study": 2, "cursor": "BB"}\n',
        "AA": b'{"study": 2, "cursor": "BB"}\n',
        "BB": b"",
    },
}


@pytest.mark.parametrize("form", TABLES)
def test_cut_off_at_any_byte_no_row_is_lost_and_none_comes_twice(form: str) -> None:
    whole = TABLES[form][None]
    for cut in range(len(whole) + 1):
        table = Table(form)
        came = b"".join(table.taken(whole[at : at + 1]) for at in range(cut))
        table.again()
        came += table.taken(TABLES[form][table.cursor])

        assert came + table.rest() == whole, cut


def test_a_table_without_results_is_given_whole() -> None:
    table = Table("csv")

    assert table.taken(HEADER + NOTHING) + table.rest() == HEADER + NOTHING


def test_a_table_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="csv, ndjson"):
        Table("xlsx")


def test_both_clients_export_the_same_and_go_on_after_a_lost_answer(
    client: Client, door: Door, proxy: Proxy, pictures
) -> None:
    upload = client.send_folder(pictures(4))
    client.wait(upload.id, timeout=120)
    whole = b"".join(client.export())

    proxy.faults.append(("results.ndjson", LOST))
    with Client(proxy.url, door.token, patience=Patience(first=0.02)) as between:
        assert b"".join(between.export()) == whole

    async def awaited() -> bytes:
        async with AsyncClient(door.url, door.token) as other:
            return b"".join([piece async for piece in other.export()])

    assert asyncio.run(awaited()) == whole
    assert len({json.loads(line)["study"] for line in whole.splitlines()}) == 4
