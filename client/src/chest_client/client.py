"""The synchronous client."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from chest_client import calls
from chest_client.answers import FileAnswer, Found, Model, Receipt, Study, StudyPage, Upload, Webhook
from chest_client.calls import Call, Key
from chest_client.errors import Busy, Unreachable
from chest_client.exporting import Table
from chest_client.flows import LANES, Flow, Pause, Seen, asked, batches, changed, checked, sent, waited
from chest_client.local import LocalFile, Told, read_folder
from chest_client.retrying import Patience
from chest_client.transport import answer_of, options, request_of

T = TypeVar("T")


class Client:
    """The service, as one token sees it. May be used from several threads.

    Raises, in every call:
        Refused: the service said no; its kinds are named in `chest_client.errors`.
        Unreachable: no answer came, also not after the tries that `patience` allows.
        UnexpectedAnswer: what came is none of this API.
    """

    def __init__(self, url: str, token: str, *, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._http = httpx.Client(**options(url, token))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def models(self) -> list[Model]:
        """Cards of the active models."""
        return self._ask(calls.models())

    def open_upload(self, *, key: str | None = None, **chosen: Any) -> Upload:
        """Open an upload: `name`, `site`, `models`, `modality`, `priority`, `group_by`, each with a default.

        The same `key` gives the same upload, also after this process was killed.
        """
        return self._ask(calls.open_upload(key=key or str(uuid4()), **chosen))

    def upload(self, upload: Key) -> Upload:
        """How far an upload is."""
        return self._ask(calls.upload(upload))

    def check(self, upload: Key, files: Sequence[LocalFile]) -> list[FileAnswer]:
        """Offer files; the answers, in their order, say which are `missing`."""
        return self._run(checked(upload, files, self._patience))

    def send_files(self, upload: Key, files: Sequence[LocalFile], told: Told | None = None) -> list[FileAnswer]:
        """Send files in three lanes. The answers stand in their order; a refusal costs only its own file."""

        def one(batch: tuple[LocalFile, ...]) -> list[FileAnswer]:
            answers = self._run(sent(upload, batch, self._patience))
            if told:
                told(len(batch), sum(file.size for file in batch))
            return answers

        with ThreadPoolExecutor(LANES) as lanes:
            return [answer for answers in lanes.map(one, batches(files)) for answer in answers]

    def send_folder(self, folder: Path, *, key: str | None = None, **chosen: Any) -> Upload:
        """Open an upload, offer every file of a folder, send what is missing, and seal. As `open_upload` chooses."""
        files = read_folder(folder)
        upload = self.open_upload(key=key, **chosen)
        answers = self.check(upload.id, files)
        self.send_files(upload.id, [one for one, told in zip(files, answers, strict=True) if told.state == "missing"])
        return self.seal(upload.id)

    def seal(self, upload: Key, count: int | None = None) -> Upload:
        """Take no more files. With `count`, only if so many were offered."""
        return self._ask(calls.seal(upload, count))

    def wait(self, upload: Key, *, timeout: float | None = None, seen: Seen | None = None) -> Upload:
        """Return once an upload is finished or cancelled; `seen` is told of every look.

        Raises:
            TookTooLong: `timeout` seconds are over. The work goes on.
        """
        return self._run(waited(upload, timeout, seen, self._patience))

    def cancel(self, upload: Key) -> Upload:
        """Cancel what waits; what has an outcome keeps it. Never repeated by itself."""
        return self._ask(calls.cancel(upload))

    def retry(self, upload: Key) -> int:
        """Try again what failed. How many files and results. Never repeated by itself."""
        return self._ask(calls.retry(upload))

    def receipt(self, upload: Key) -> Receipt:
        """What became of every file."""
        return self._ask(calls.receipt(upload))

    def receipt_csv(self, upload: Key) -> bytes:
        """The receipt as the service writes it: a line for each item, picture and model."""
        return self._ask(calls.receipt_csv(upload))

    def pages(self, **query: Any) -> Iterator[StudyPage]:
        """Studies in the order of their changes, a page at a time; keep the last `cursor` to go on from there.

        `site`, `upload`, `flagged`, `state`, `model`, `external_id`, `changed_since`, `cursor`, `limit`.
        """
        while True:
            page = self._ask(calls.studies(query))
            yield page
            if not page.more:
                return
            query = following(query, page)

    def results(self, since: int | None = None, **query: Any) -> Iterator[Study]:
        """Every study that changed after the change number `since`, as `pages` asks.

        Read to the end, the highest number is where to go on. Several studies may share one: stopped halfway, go on
        with the cursor of the last page.
        """
        for page in self.pages(changed_since=since, **query):
            yield from page.results

    def wait_for_changes(self, since: int, *, timeout: float, **query: Any) -> StudyPage:
        """Return the first page of what changed after `since`, once there is any; empty after `timeout` seconds."""
        return self._run(changed({**query, "changed_since": since}, timeout, self._patience))

    def export(self, form: str = "ndjson", **query: Any) -> Iterator[bytes]:
        """Stream results as a table, a row for each study, picture and model: `csv` or `ndjson`, of any size.

        As `pages` asks, without `limit`. Cut off, it goes on after the last study that was whole.
        """
        table, tried = Table(form), 0
        while True:
            reached = table.cursor
            try:
                yield from self._table(table, query)
            except (Busy, Unreachable) as failure:
                tried = 1 if table.cursor != reached else tried + 1
                pause = self._patience.pause(failure, tried)
                if pause is None:
                    raise
                time.sleep(pause)
                table.again()
            else:
                yield table.rest()
                return

    def _table(self, table: Table, query: Mapping[str, Any]) -> Iterator[bytes]:
        call = calls.export(table.form, onwards(query, table))
        try:
            with request_of(call) as request, self._http.stream(**request) as response:
                if response.status_code != 200:
                    response.read()
                    call.answered(answer_of(response))
                for piece in response.iter_bytes():
                    yield table.taken(piece)
        except httpx.HTTPError as problem:
            raise Unreachable(f"The service broke off ({type(problem).__name__}).") from problem

    def study(self, study: Key) -> Study:
        return self._ask(calls.study(study))

    def lookup(self, uids: Sequence[str], *, site: Key | None = None) -> list[Found]:
        """Find studies by original study, series or instance UIDs, at most 1,000. The service keeps none of them."""
        return self._ask(calls.lookup(uids, site))

    def webhooks(self) -> list[Webhook]:
        """All webhooks of the site. This and what follows needs an administrator's token with the scope `webhooks`."""
        return self._ask(calls.webhooks())

    def add_webhook(
        self, url: str, events: Sequence[str], *, key: str | None = None, site: Key | None = None
    ) -> Webhook:
        """Have events sent to an address. The answer holds the secret, which nothing tells again but the same `key`."""
        return self._ask(calls.add_webhook(url, events, key=key or str(uuid4()), site=site))

    def change_webhook(self, webhook: Key, **asked: Any) -> Webhook:
        """Change `url`, `events` or `enabled`."""
        return self._ask(calls.change_webhook(webhook, asked))

    def new_secret(self, webhook: Key, *, key: str | None = None) -> Webhook:
        """Make the next secret. For a day the one before it signs as well."""
        return self._ask(calls.new_secret(webhook, key=key or str(uuid4())))

    def remove_webhook(self, webhook: Key) -> None:
        self._ask(calls.remove_webhook(webhook))

    def replay_webhook(self, webhook: Key) -> int:
        """Send again what was given up. How many. Never repeated by itself."""
        return self._ask(calls.replay_webhook(webhook))

    def try_webhook(self, webhook: Key) -> None:
        """Have a message of type `webhook.test` sent. Never repeated by itself."""
        self._ask(calls.try_webhook(webhook))

    def _ask(self, call: Call[T]) -> T:
        return self._run(asked(call, self._patience))

    def _run(self, flow: Flow[T]) -> T:
        """Do what a flow yields until it is done."""
        resume = flow.send
        came: Any = None
        try:
            while True:
                step = resume(came)
                try:
                    resume, came = flow.send, self._do(step)
                except Exception as problem:  # noqa: BLE001 - given to the flow, which raises what it does not know
                    resume, came = flow.throw, problem
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # the flow's type says it

    def _do(self, step: Call[Any] | Pause) -> Any:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            with request_of(step) as request:
                response = self._http.request(**request)
        except httpx.HTTPError as problem:
            raise Unreachable(f"The service did not answer ({type(problem).__name__}).") from problem
        return step.answered(answer_of(response))


def onwards(query: Mapping[str, Any], table: Table) -> Mapping[str, Any]:
    """The query for what is left of a table."""
    return {**query, "changed_since": None, "cursor": table.cursor} if table.cursor else query


def following(query: Mapping[str, Any], page: StudyPage) -> dict[str, Any]:
    """The query for what comes after a page."""
    return {**query, "changed_since": None, "cursor": page.cursor}
