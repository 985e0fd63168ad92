"""A running sandbox for each test, and one connection to it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from syncer.sandbox import Options, Sandbox
from tests.sandbox.rest import AbejaCaller, PrefactorCaller


class Reply:
    """Status, headers and decoded body of one answer."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def data(self) -> dict[str, Any]:
        """What the request got; fails on any error."""
        assert "errors" not in self.json, self.json["errors"]
        return self.json["data"]

    @property
    def error(self) -> dict[str, Any]:
        """The only error."""
        (error,) = self.json["errors"]
        return error


class Caller:
    """One kept-alive connection to a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)

    def __call__(self, query: str, variables: Mapping[str, Any] | None = None, key: str = "sandbox-key") -> Reply:
        """Post a document."""
        return self.post(json.dumps({"query": query, "variables": variables}).encode(), key)

    def post(self, body: bytes, key: str = "sandbox-key") -> Reply:
        """Post any body."""
        headers = {"Content-Type": "application/json", "x-api-key": key}
        self._connection.request("POST", "/plexus/graphql", body, headers)
        return Reply(self._connection.getresponse())

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of today's schema, in memory."""
    with Sandbox(Options()) as running:
        yield running


@pytest.fixture
def call(sandbox: Sandbox) -> Iterator[Caller]:
    """A connection to ``sandbox``."""
    caller = Caller(sandbox)
    yield caller
    caller.close()


@pytest.fixture
def connect() -> Iterator[Any]:
    """A function that connects to any sandbox; connections close with the test."""
    callers: list[Caller] = []

    def connected(sandbox: Sandbox) -> Caller:
        callers.append(Caller(sandbox))
        return callers[-1]

    yield connected
    for caller in callers:
        caller.close()


@pytest.fixture
def result() -> Any:
    """A function that makes the input of a valid score result."""

    def made(key: str | None = None, **fields: Any) -> dict[str, Any]:
        made = {
            "id": key,
            "value": "Yes",
            "itemId": "item-1",
            "accountId": "acc-1",
            "scorecardId": "card-1",
            "scoreId": "score-1",
            "type": "prediction",
            "status": "COMPLETED",
        } | fields
        return {name: value for name, value in made.items() if name != "id" or value is not None}

    return made


@pytest.fixture
def create(call: Caller) -> Any:
    """A function that creates one record and answers its reply, with ``selection`` asked back."""

    def created(model: str, record: Mapping[str, Any], selection: str = "id createdAt updatedAt", **condition: Any) -> Reply:
        return _write(call, "create", model, record, selection, condition)

    return created


@pytest.fixture
def update(call: Caller) -> Any:
    """A function that updates one record; keyword arguments are the condition."""

    def updated(model: str, record: Mapping[str, Any], selection: str = "updatedAt", **condition: Any) -> Reply:
        return _write(call, "update", model, record, selection, condition)

    return updated


@pytest.fixture
def delete(call: Caller) -> Any:
    """A function that deletes one record; keyword arguments are the condition."""

    def deleted(model: str, record: Mapping[str, Any], selection: str = "createdAt", **condition: Any) -> Reply:
        return _write(call, "delete", model, record, selection, condition)

    return deleted


def _write(
    call: Caller, op: str, model: str, record: Mapping[str, Any], selection: str, condition: Mapping[str, Any]
) -> Reply:
    verb = op.capitalize()
    document = (
        f"mutation W($i: {verb}{model}Input!, $c: Model{model}ConditionInput) "
        f"{{ r: {op}{model}(input: $i, condition: $c) {{ {selection} }} }}"
    )
    return call(document, {"i": record, "c": condition or None})


@pytest.fixture
def prefactor(sandbox: Sandbox) -> Iterator[PrefactorCaller]:
    """A connection to the Prefactor of ``sandbox``."""
    caller = PrefactorCaller(sandbox)
    yield caller
    caller.close()


@pytest.fixture
def abeja(sandbox: Sandbox) -> Iterator[AbejaCaller]:
    """A connection to the ABEJA of ``sandbox``."""
    caller = AbejaCaller(sandbox)
    yield caller
    caller.close()
