"""The library against the running service."""

import asyncio
import hashlib
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from chest_client import AsyncClient, Client, Conflict, LocalFile, NotFound, NotSignedIn, Patience, Study, read_folder
from chest_client.shaping import plain
from tests.client.proxy import BUSY, LOST, Proxy
from tests.client.service import Door, RunningService
from tests.phantoms import png_file, radiograph

QUICK = Patience(first=0.02)


def outcomes(client: Client, upload: object) -> dict[str | None, str]:
    return {item.path: item.outcome for item in client.receipt(upload).items}


def test_every_file_of_a_folder_gets_one_outcome(client: Client, folder: Path) -> None:
    upload = client.wait(client.send_folder(folder, name="ward").id, timeout=60)

    assert upload.state == "finished"
    assert outcomes(client, upload.id) == {
        "again.png": "accepted",
        "broken.png": "rejected",
        "empty.png": "rejected",
        "inner/000.png": "duplicate",
        "inner/001.png": "accepted",
        "inner/002.png": "accepted",
        "notes.txt": "rejected",
    }
    assert sum(upload.items.values()) == upload.offered == 7
    assert upload.without_outcome == 0
    receipt = client.receipt(upload.id)
    scores = [result.scores for item in receipt.items for image in item.images for result in image.results]
    assert scores == [{"covid": 0.5, "other": 0.5}] * 4
    assert client.receipt_csv(upload.id).decode().splitlines()[0].startswith('"path","size","sha256","outcome"')


def settled(client: Client) -> list[Study]:
    """Every study, once no heat map is drawn any more: a study changes when one is."""
    seen: list[list[Study]] = [[], list(client.results())]
    while seen[-1] != seen[-2]:
        time.sleep(2)
        seen.append(list(client.results()))
    return seen[-1]


def test_results_since_a_number_hold_each_change_and_none_twice(client: Client, pictures) -> None:
    folder = pictures(5)
    upload = client.wait(client.send_folder(folder).id, timeout=60)
    studies = settled(client)

    pages = list(client.pages(limit=2))
    numbers = [study.change_number for study in studies]

    assert [len(page.results) for page in pages] == [2, 2, 1]
    assert [study for page in pages for study in page.results] == studies
    assert numbers == sorted(numbers)
    assert len({study.id for study in studies}) == 5
    assert list(client.results(numbers[0])) == [study for study in studies if study.change_number > numbers[0]]
    assert list(client.results(numbers[-1])) == []
    assert next(client.pages(cursor=pages[-1].cursor)).results == ()
    assert {study.id for study in client.results(upload=upload.id, flagged=True)} == {study.id for study in studies}
    assert client.study(studies[0].id) == studies[0]

    (folder / "later.png").write_bytes(png_file(radiograph(64, 60, seed=99)))
    client.wait(client.send_folder(folder).id, timeout=60)

    changed = list(client.results(numbers[-1]))
    assert len({study.id for study in changed} - {study.id for study in studies}) == 1
    assert all(study.change_number > numbers[-1] for study in changed)


def test_both_clients_give_equal_answers(door: Door, client: Client, folder: Path) -> None:
    upload = client.wait(client.send_folder(folder).id, timeout=60)
    studies = settled(client)

    async def ask() -> list[object]:
        async with AsyncClient(door.url, door.token) as other:
            return [
                await other.models(),
                await other.upload(upload.id),
                await other.wait(upload.id),
                await other.receipt(upload.id),
                await other.receipt_csv(upload.id),
                [study async for study in other.results(0)],
                await other.lookup(["1.2.3"]),
            ]

    told = asyncio.run(ask())

    assert told == [
        client.models(),
        client.upload(upload.id),
        client.wait(upload.id),
        client.receipt(upload.id),
        client.receipt_csv(upload.id),
        studies,
        client.lookup(["1.2.3"]),
    ]
    assert [one.study for one in client.lookup(["1.2.3"])] == [None]


def test_either_client_makes_changes_tries_and_removes_webhooks(running_service: RunningService) -> None:
    door, address, events = running_service.admin, "https://ris.invalid/hooks", ["study.ready"]

    async def ask(url: str) -> list[object]:
        async with AsyncClient(door.url, door.token) as other:
            made = await other.add_webhook(url, events, key="another key")
            again = await other.add_webhook(url, events, key="another key")
            assert made == again
            await other.try_webhook(made.id)
            changed = await other.change_webhook(made.id, enabled=False)
            renewed = await other.new_secret(made.id)
            with pytest.raises(Conflict):
                await other.replay_webhook(made.id)
            await other.change_webhook(made.id, enabled=True)
            told = [changed.enabled, changed.dead, await other.replay_webhook(made.id), renewed.secret != made.secret]
            [listed] = await other.webhooks()
            await other.remove_webhook(made.id)
            return [listed.secret, *told, await other.webhooks()]

    with Client(door.url, door.token) as client:
        made = client.add_webhook(address, events, key="a key")
        again = client.add_webhook(address, events, key="a key")
        client.try_webhook(made.id)
        changed = client.change_webhook(made.id, enabled=False)
        renewed = client.new_secret(made.id)
        with pytest.raises(Conflict):
            client.replay_webhook(made.id)
        client.change_webhook(made.id, enabled=True)
        told = [changed.enabled, changed.dead, client.replay_webhook(made.id), renewed.secret != made.secret]
        [listed] = client.webhooks()
        client.remove_webhook(made.id)

        assert made == again
        assert made.secret
        assert [listed.secret, *told, client.webhooks()] == [None, False, 1, 1, True, []]
        assert asyncio.run(ask(address)) == [None, False, 1, 1, True, []]


def test_a_folder_sent_by_either_client_has_the_same_receipt(
    running_service: RunningService, door: Door, client: Client, folder: Path
) -> None:
    elsewhere = next(running_service.doors)

    async def send() -> dict[str | None, str]:
        async with AsyncClient(elsewhere.url, elsewhere.token) as other:
            upload = await other.wait((await other.send_folder(folder)).id, timeout=60)
            return {item.path: item.outcome for item in (await other.receipt(upload.id)).items}

    sent = asyncio.run(send())

    assert sent == outcomes(client, client.wait(client.send_folder(folder).id, timeout=60).id)


def test_the_same_key_gives_the_same_upload_and_another_request_is_refused(client: Client) -> None:
    first = client.open_upload(key="one key", name="Monday")

    assert client.open_upload(key="one key", name="Monday").id == first.id
    with pytest.raises(Conflict) as refused:
        client.open_upload(key="one key", name="Tuesday")
    assert (refused.value.status, refused.value.code) == (409, "idempotency_key_reused")
    assert refused.value.message
    assert "fresh Idempotency-Key" in refused.value.what_to_do


def test_refusals_have_the_services_code_and_advice(running_service: RunningService, client: Client) -> None:
    with pytest.raises(NotFound) as missing:
        client.study(uuid4())
    with Client(running_service.url, "a" * 64) as stranger, pytest.raises(NotSignedIn) as unknown:
        stranger.models()

    assert missing.value.code == "not_found"
    assert (unknown.value.status, unknown.value.code) == (401, "not_signed_in")
    assert "API tokens" in unknown.value.what_to_do
    assert "a" * 64 not in repr(unknown.value)


def test_cancel_leaves_what_was_not_sent_cancelled(client: Client, pictures) -> None:
    upload = client.open_upload()
    client.check(upload.id, read_folder(pictures(2)))

    cancelled = client.cancel(upload.id)

    assert (cancelled.state, cancelled.items["cancelled"]) == ("cancelled", 2)
    assert client.wait(upload.id).without_outcome == 2
    with pytest.raises(Conflict) as refused:
        client.retry(upload.id)
    assert refused.value.code == "illegal_transition"


@pytest.mark.parametrize("fault", [BUSY, LOST])
def test_reading_and_keyed_posts_are_tried_again(door: Door, proxy: Proxy, fault: str) -> None:
    proxy.faults = [("/models/", fault), ("/uploads/", fault)]

    with Client(proxy.url, door.token, patience=QUICK) as client:
        models = client.models()
        client.open_upload(name="once")

    assert [model.name for model in models] == ["xray-noop@1.0.0"]
    assert (len(proxy.calls("/models/")), len(proxy.calls("/uploads/"))) == (2, 2)
    assert {one.status for one in proxy.calls("/uploads/")} <= {201, 503}


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_acts_are_never_repeated_by_themselves(door: Door, proxy: Proxy, act: str) -> None:
    with Client(proxy.url, door.token, patience=QUICK) as client:
        upload = client.open_upload()
        proxy.faults = [(f"/{act}/", LOST)]

        with pytest.raises(Exception, match="did not answer"):
            getattr(client, act)(upload.id)

    assert len(proxy.calls(f"/{act}/")) == 1


def test_files_whose_answer_was_lost_are_offered_again_and_not_sent_again(
    door: Door, proxy: Proxy, pictures, tmp_path: Path
) -> None:
    files = read_folder(pictures(60))
    proxy.faults = [("/files/", LOST), ("/files/", BUSY)]

    with Client(proxy.url, door.token, patience=QUICK) as client:
        upload = client.open_upload()
        client.check(upload.id, files)
        answers = client.send_files(upload.id, files)

    assert {one.state for one in answers} == {"received"}
    assert [one.path for one in answers] == [one.path for one in files]
    assert proxy.sent() == Counter(one.path for one in files)


def test_files_travel_in_three_lanes(door: Door, proxy: Proxy, pictures) -> None:
    files, proxy.delay = read_folder(pictures(220)), 0.4

    async def send_async() -> int:
        async with AsyncClient(proxy.url, door.token) as other:
            upload = await other.open_upload()
            await other.check(upload.id, files)
            return len(await other.send_files(upload.id, files))

    assert asyncio.run(send_async()) == 220
    assert proxy.most == 3
    with Client(proxy.url, door.token) as client:
        upload = client.open_upload()
        told: list[tuple[int, int]] = []
        fresh = [replace(one, path=f"again/{one.path}") for one in files]
        client.check(upload.id, fresh)
        client.send_files(upload.id, fresh, lambda *more: told.append(more))

    assert proxy.most == 3
    assert (sum(more for more, _ in told), sum(size for _, size in told)) == (220, sum(one.size for one in files))


def test_a_file_that_changed_after_hashing_costs_only_itself(client: Client, pictures) -> None:
    files = read_folder(pictures(3))
    files[0].file.write_bytes(b"shorter")
    files[1].file.unlink()
    files[2] = replace(files[2], path="renamed.png")
    upload = client.open_upload()
    client.check(upload.id, files)

    answers = client.send_files(upload.id, files)
    client.seal(upload.id, count=3)

    assert [(one.state, one.code) for one in answers] == [("rejected", "changed_here")] * 2 + [("received", "")]
    assert Counter(outcomes(client, client.wait(upload.id, timeout=60).id).values()) == {"not_sent": 2, "accepted": 1}


def test_a_thousand_and_one_files_are_offered_in_two_requests(door: Door, proxy: Proxy, tmp_path: Path) -> None:
    files = [
        LocalFile(f"{n}.png", tmp_path / "none", 10, hashlib.sha256(str(n).encode()).hexdigest()) for n in range(1001)
    ]

    with Client(proxy.url, door.token) as client:
        answers = client.check(client.open_upload().id, files)

    assert [one.path for one in answers] == [one.path for one in files]
    assert len(proxy.calls("/check/")) == 2


def test_an_answer_is_plain_json_again(client: Client) -> None:
    told = plain(client.models())

    assert told[0]["name"] == "xray-noop@1.0.0"
    assert told[0]["labels"] == ["covid", "other"]
