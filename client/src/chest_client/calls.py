"""Every request of the API as a value: what is sent, whether it may be repeated, how its answer is read. No I/O."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

from chest_client.answers import FileAnswer, Found, Model, Receipt, Study, StudyPage, Upload, Webhook
from chest_client.errors import KINDS, Refused, UnexpectedAnswer
from chest_client.local import LocalFile
from chest_client.retrying import seconds_of
from chest_client.shaping import Plain, shaped

T = TypeVar("T")
Key = UUID | str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Plain:
        """Read the body.

        Raises:
            UnexpectedAnswer: it is no JSON object.
        """
        try:
            data = json.loads(self.body)
        except ValueError as error:
            raise UnexpectedAnswer("The answer is no JSON.") from error
        if not isinstance(data, dict):
            raise UnexpectedAnswer("The answer is no JSON object.")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request. `repeatable`: doing it twice is doing it once, so that it may be tried again."""

    method: str
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, str] = field(default_factory=dict)
    json: Plain | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[LocalFile] = ()
    repeatable: bool = False

    def answered(self, answer: Answer) -> T:
        """Read what came back.

        Raises:
            Refused: the service said no.
            UnexpectedAnswer: it is none of this API.
        """
        if 200 <= answer.status < 300:
            return self.read(answer)
        if answer.status < 400:
            raise UnexpectedAnswer(f"The address answered {answer.status}, which leads elsewhere.")
        raise _refusal(answer)


def _refusal(answer: Answer) -> Refused:
    try:
        told = answer.json()
    except UnexpectedAnswer:
        told = {}  # of a proxy, not of the service
    words = {name: str(told[name]) for name in ("code", "message", "what_to_do") if told.get(name)}
    kind = KINDS.get(answer.status, Refused)
    return kind(answer.status, **words, retry_after=seconds_of(answer.headers.get("retry-after")))


def _one(kind: type[T]) -> Callable[[Answer], T]:
    return lambda answer: shaped(kind, answer.json())


def _list(kind: type[T], name: str) -> Callable[[Answer], list[T]]:
    def read(answer: Answer) -> list[T]:
        found = answer.json().get(name)
        if not isinstance(found, list):
            raise UnexpectedAnswer(f"The answer lacks {name}.")
        return [shaped(kind, one) for one in found]

    return read


def models() -> Call[list[Model]]:
    return Call(method="GET", path="models/", read=_list(Model, "results"), repeatable=True)


def open_upload(*, key: str, **asked: Any) -> Call[Upload]:
    """Open an upload. The same key gives the same upload, however often the request comes."""
    chosen = {name: str(value) if isinstance(value, UUID) else value for name, value in asked.items() if value}
    headers = {"Idempotency-Key": key}
    return Call(method="POST", path="uploads/", json=chosen, headers=headers, read=_one(Upload), repeatable=True)


def upload(key: Key) -> Call[Upload]:
    return Call(method="GET", path=f"uploads/{key}/", read=_one(Upload), repeatable=True)


def check(key: Key, files: Sequence[LocalFile]) -> Call[list[FileAnswer]]:
    """Offer files. A path that was offered before with the same bytes is heard again, so this may be repeated."""
    offered = [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in files]
    read = _list(FileAnswer, "files")
    return Call(method="POST", path=f"uploads/{key}/check/", json={"files": offered}, read=read, repeatable=True)


def send(key: Key, files: Sequence[LocalFile]) -> Call[list[FileAnswer]]:
    """Send bytes. Never repeated as it is: after a failure the files are offered again, and what is missing sent."""
    return Call(method="POST", path=f"uploads/{key}/files/", files=tuple(files), read=_list(FileAnswer, "files"))


def seal(key: Key, count: int | None) -> Call[Upload]:
    """Take no more files. Sealing twice is sealing once."""
    body = {} if count is None else {"count": count}
    return Call(method="POST", path=f"uploads/{key}/seal/", json=body, read=_one(Upload), repeatable=True)


def cancel(key: Key) -> Call[Upload]:
    return Call(method="POST", path=f"uploads/{key}/cancel/", json={}, read=_one(Upload))


def retry(key: Key) -> Call[int]:
    return Call(method="POST", path=f"uploads/{key}/retry/", json={}, read=_queued)


def _queued(answer: Answer) -> int:
    return int(answer.json().get("queued", 0))


def receipt(key: Key) -> Call[Receipt]:
    return Call(method="GET", path=f"uploads/{key}/receipt/", read=_one(Receipt), repeatable=True)


def receipt_csv(key: Key) -> Call[bytes]:
    return Call(method="GET", path=f"uploads/{key}/receipt.csv", read=lambda answer: answer.body, repeatable=True)


def studies(query: Mapping[str, object]) -> Call[StudyPage]:
    asked = {name: _word(value) for name, value in query.items() if value is not None}
    return Call(method="GET", path="studies/", query=asked, read=_one(StudyPage), repeatable=True)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def export(form: str, query: Mapping[str, object]) -> Call[bytes]:
    """Stream results as a table. Its answer is read as it comes, by who sends it."""
    asked = {name: _word(value) for name, value in query.items() if value is not None}
    return Call(method="GET", path=f"results.{form}", query=asked, read=lambda answer: answer.body, repeatable=True)


def study(key: Key) -> Call[Study]:
    return Call(method="GET", path=f"studies/{key}/", read=_one(Study), repeatable=True)


def lookup(uids: Sequence[str], site: Key | None) -> Call[list[Found]]:
    """Find studies by original identifiers. It changes nothing; a POST keeps identifiers out of logs."""
    body: Plain = {"uids": list(uids)} | ({"site": str(site)} if site else {})
    return Call(method="POST", path="studies/lookup/", json=body, read=_list(Found, "results"), repeatable=True)


def webhooks() -> Call[list[Webhook]]:
    return Call(method="GET", path="webhooks/", read=_list(Webhook, "results"), repeatable=True)


def add_webhook(url: str, events: Sequence[str], *, key: str, site: Key | None) -> Call[Webhook]:
    """Make a webhook. The same key makes one, and is told the same secret, however often the request comes."""
    body: Plain = {"url": url, "events": list(events)} | ({"site": str(site)} if site else {})
    headers = {"Idempotency-Key": key}
    return Call(method="POST", path="webhooks/", json=body, headers=headers, read=_one(Webhook), repeatable=True)


def change_webhook(webhook: Key, asked: Mapping[str, Any]) -> Call[Webhook]:
    return Call(method="PATCH", path=f"webhooks/{webhook}/", json=dict(asked), read=_one(Webhook), repeatable=True)


def new_secret(webhook: Key, *, key: str) -> Call[Webhook]:
    """Make the next secret, once for a key."""
    headers = {"Idempotency-Key": key}
    path = f"webhooks/{webhook}/secret/"
    return Call(method="POST", path=path, json={}, headers=headers, read=_one(Webhook), repeatable=True)


def remove_webhook(webhook: Key) -> Call[None]:
    return Call(method="DELETE", path=f"webhooks/{webhook}/", read=lambda _: None)


def replay_webhook(webhook: Key) -> Call[int]:
    return Call(method="POST", path=f"webhooks/{webhook}/replay/", json={}, read=_replayed)


def _replayed(answer: Answer) -> int:
    return int(answer.json().get("replayed", 0))


def try_webhook(webhook: Key) -> Call[None]:
    return Call(method="POST", path=f"webhooks/{webhook}/test/", json={}, read=lambda _: None)
