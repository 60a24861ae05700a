"""Requests drawn from the OpenAPI file, sent as every kind of caller, and every answer held against that file."""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ml.vocabulary import DISCLAIMER

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
KINDS: Final = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
TOO_LONG: Final = 414  # the web server's own refusal of a long address: the service never sees it
PATIENT: Final = 1  # the longest wait that a case may ask for, in seconds


@dataclass(slots=True)
class Campaign:
    """Where cases go, as whom, and what came back."""

    schema: Any
    callers: Mapping[str, Sequence[str]]  # tokens by name; no token is a caller, too
    known: Callable[[str], Mapping[str, str]]  # identifiers of things that are there, for an operation
    around: Callable[[], Any] = contextlib.nullcontext  # what surrounds a case
    told: Callable[["Campaign", str], None] = lambda _campaign, _label: None  # is told of every operation that is done
    statuses: Counter[int] = field(default_factory=Counter)
    by_caller: Counter[str] = field(default_factory=Counter)
    by_operation: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        return self.statuses.total()

    def operations(self) -> Iterator[Any]:
        for one in self.schema.get_all_operations():
            yield one.ok()

    def run(self, cases: int, *, start: int = 1) -> None:
        """Send at least so many cases, the same number to every operation; what space is too small for is made up."""
        operations = list(self.operations())
        turn = start
        while self.cases < cases and not self.failures:
            share = max(5, (cases - self.cases) // len(operations))
            for operation in operations:
                self._run_one(operation, share, turn)
                self.told(self, operation.label)
            turn += 1

    def _run_one(self, operation: Any, examples: int, turn: int) -> None:
        drawn = st.one_of(*[operation.as_strategy(generation_mode=kind) for kind in self._kinds(operation)])
        chance = random.Random(f"{operation.label} {turn}")

        @seed(turn)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=drawn)
        def ask(case: Case) -> None:
            self._send(case, chance)

        try:
            ask()
        except BaseExceptionGroup as many:  # hypothesis tells several failures of one operation together
            self.failures += [f"{operation.label}: {one}" for one in many.exceptions]
        except Exception as problem:  # noqa: BLE001 - told with those of the others
            self.failures.append(f"{operation.label}: {problem}")

    @staticmethod
    def _kinds(operation: Any) -> Sequence[GenerationMode]:
        """Kinds of data that can be drawn: where nothing is to be sent, nothing can be wrong with it."""
        asks = operation.body or operation.query or operation.path_parameters or operation.headers
        return KINDS if asks else KINDS[:1]

    def _send(self, case: Case, chance: random.Random) -> None:
        caller = chance.choice([*self.callers, "nobody"])
        if case.path_parameters and chance.random() < 0.7:
            known = self.known(case.operation.definition.raw["operationId"])
            case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        if isinstance(case.query, dict) and _seconds(case.query.get("wait")) > PATIENT:
            case.query["wait"] = PATIENT
        headers = {"Authorization": f"Token {chance.choice(self.callers[caller])}"} if caller in self.callers else {}
        with self.around():
            answer = case.call(headers=headers)
            self.statuses[answer.status_code] += 1
            self.by_caller[caller] += 1
            self.by_operation[case.operation.label] += 1
            if answer.status_code == TOO_LONG:
                return
            case.validate_response(answer, checks=CHECKS, headers=headers)
            _check_words(case, answer)


def _seconds(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _check_words(case: Case, answer: Any) -> None:
    """A refusal has a code that the file announces for its status; JSON carries the disclaimer; all have a name."""
    assert answer.headers.get("x-request-id"), "no X-Request-ID"
    kind = str(answer.headers.get("content-type"))
    if not answer.content or "application/json" not in kind:
        return
    body = answer.json()
    assert body["disclaimer"] == DISCLAIMER
    if answer.status_code >= 400:
        told = case.operation.definition.raw["responses"][str(answer.status_code)]
        announced = set(told["content"]["application/json"]["examples"])
        assert body["code"] in announced, f"{answer.status_code} {body['code']} is not among {sorted(announced)}"
