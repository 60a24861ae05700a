"""The asynchronous client: the same calls, driven by the running event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from chest_client import calls
from chest_client.answers import FileAnswer, Found, Model, Receipt, Study, StudyPage, Upload, Webhook
from chest_client.calls import Call, Key
from chest_client.client import following, onwards
from chest_client.errors import Busy, Unreachable
from chest_client.exporting import Table
from chest_client.flows import LANES, Flow, Pause, Seen, asked, batches, changed, checked, sent, waited
from chest_client.local import LocalFile, Told, read_folder
from chest_client.retrying import Patience
from chest_client.transport import answer_of, options, request_of

T = TypeVar("T")


class AsyncClient:
    """The service, as one token sees it. Every call is that of `Client`, awaited."""

    def __init__(self, url: str, token: str, *, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._http = httpx.AsyncClient(**options(url, token))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def models(self) -> list[Model]:
        return await self._ask(calls.models())

    async def open_upload(self, *, key: str | None = None, **chosen: Any) -> Upload:
        return await self._ask(calls.open_upload(key=key or str(uuid4()), **chosen))

    async def upload(self, upload: Key) -> Upload:
        return await self._ask(calls.upload(upload))

    async def check(self, upload: Key, files: Sequence[LocalFile]) -> list[FileAnswer]:
        return await self._run(checked(upload, files, self._patience))

    async def send_files(self, upload: Key, files: Sequence[LocalFile], told: Told | None = None) -> list[FileAnswer]:
        queue: Iterator[tuple[int, tuple[LocalFile, ...]]] = enumerate(batches(files))
        answers: dict[int, list[FileAnswer]] = {}

        async def lane() -> None:
            for place, batch in queue:
                answers[place] = await self._run(sent(upload, batch, self._patience))
                if told:
                    told(len(batch), sum(file.size for file in batch))

        lanes = [asyncio.ensure_future(lane()) for _ in range(LANES)]
        try:
            await asyncio.gather(*lanes)
        finally:
            for one in lanes:
                one.cancel()  # of those still sending where another failed
            await asyncio.gather(*lanes, return_exceptions=True)
        return [answer for place in sorted(answers) for answer in answers[place]]

    async def send_folder(self, folder: Path, *, key: str | None = None, **chosen: Any) -> Upload:
        files = await asyncio.to_thread(read_folder, folder)
        upload = await self.open_upload(key=key, **chosen)
        answers = await self.check(upload.id, files)
        missing = [one for one, told in zip(files, answers, strict=True) if told.state == "missing"]
        await self.send_files(upload.id, missing)
        return await self.seal(upload.id)

    async def seal(self, upload: Key, count: int | None = None) -> Upload:
        return await self._ask(calls.seal(upload, count))

    async def wait(self, upload: Key, *, timeout: float | None = None, seen: Seen | None = None) -> Upload:  # noqa: ASYNC109 - the same call as the synchronous one
        return await self._run(waited(upload, timeout, seen, self._patience))

    async def cancel(self, upload: Key) -> Upload:
        return await self._ask(calls.cancel(upload))

    async def retry(self, upload: Key) -> int:
        return await self._ask(calls.retry(upload))

    async def receipt(self, upload: Key) -> Receipt:
        return await self._ask(calls.receipt(upload))

    async def receipt_csv(self, upload: Key) -> bytes:
        return await self._ask(calls.receipt_csv(upload))

    async def pages(self, **query: Any) -> AsyncIterator[StudyPage]:
        while True:
            page = await self._ask(calls.studies(query))
            yield page
            if not page.more:
                return
            query = following(query, page)

    async def results(self, since: int | None = None, **query: Any) -> AsyncIterator[Study]:
        async for page in self.pages(changed_since=since, **query):
            for study in page.results:
                yield study

    async def wait_for_changes(self, since: int, *, timeout: float, **query: Any) -> StudyPage:  # noqa: ASYNC109 - the same call as the synchronous one
        return await self._run(changed({**query, "changed_since": since}, timeout, self._patience))

    async def export(self, form: str = "ndjson", **query: Any) -> AsyncIterator[bytes]:
        table, tried = Table(form), 0
        while True:
            reached = table.cursor
            try:
                async for piece in self._table(table, query):
                    yield piece
            except (Busy, Unreachable) as failure:
                tried = 1 if table.cursor != reached else tried + 1
                pause = self._patience.pause(failure, tried)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
                table.again()
            else:
                yield table.rest()
                return

    async def _table(self, table: Table, query: Mapping[str, Any]) -> AsyncIterator[bytes]:
        call = calls.export(table.form, onwards(query, table))
        try:
            with request_of(call) as request:
                async with self._http.stream(**request) as response:
                    if response.status_code != 200:
                        await response.aread()
                        call.answered(answer_of(response))
                    async for piece in response.aiter_bytes():
                        yield table.taken(piece)
        except httpx.HTTPError as problem:
            raise Unreachable(f"The service broke off ({type(problem).__name__}).") from problem

    async def study(self, study: Key) -> Study:
        return await self._ask(calls.study(study))

    async def lookup(self, uids: Sequence[str], *, site: Key | None = None) -> list[Found]:
        return await self._ask(calls.lookup(uids, site))

    async def webhooks(self) -> list[Webhook]:
        return await self._ask(calls.webhooks())

    async def add_webhook(
        self, url: str, events: Sequence[str], *, key: str | None = None, site: Key | None = None
    ) -> Webhook:
        return await self._ask(calls.add_webhook(url, events, key=key or str(uuid4()), site=site))

    async def change_webhook(self, webhook: Key, **asked: Any) -> Webhook:
        return await self._ask(calls.change_webhook(webhook, asked))

    async def new_secret(self, webhook: Key, *, key: str | None = None) -> Webhook:
        return await self._ask(calls.new_secret(webhook, key=key or str(uuid4())))

    async def remove_webhook(self, webhook: Key) -> None:
        await self._ask(calls.remove_webhook(webhook))

    async def replay_webhook(self, webhook: Key) -> int:
        return await self._ask(calls.replay_webhook(webhook))

    async def try_webhook(self, webhook: Key) -> None:
        await self._ask(calls.try_webhook(webhook))

    async def _ask(self, call: Call[T]) -> T:
        return await self._run(asked(call, self._patience))

    async def _run(self, flow: Flow[T]) -> T:
        """Do what a flow yields until it is done."""
        resume = flow.send
        came: Any = None
        try:
            while True:
                step = resume(came)
                try:
                    resume, came = flow.send, await self._do(step)
                except Exception as problem:  # noqa: BLE001 - given to the flow, which raises what it does not know
                    resume, came = flow.throw, problem
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return] # the flow's type says it

    async def _do(self, step: Call[Any] | Pause) -> Any:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            with request_of(step) as request:
                response = await self._http.request(**request)
        except httpx.HTTPError as problem:
            raise Unreachable(f"The service did not answer ({type(problem).__name__}).") from problem
        return step.answered(answer_of(response))
