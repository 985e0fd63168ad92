"""The other side as somebody without syncer sees it: GraphQL over plain requests, and the sandbox's log of effects."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from syncer.adapters.plexus import naming
from syncer.demo.processes import Broken
from syncer.schema.model import Model

_TRIES = 60
_LIMIT_S = 30.0
_PAGE = 1000
_THERE_ALREADY = "ConditionalCheckFailed"


class Refused(Broken):
    """GraphQL errors where an answer was expected."""


class Upstream:
    """A Plexus API. Lost answers and throttling are met by asking again at once, which a loopback address bears."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._url = settings["PLEXUS_API_URL"]
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies, no .netrc: this never leaves the machine
        self._session.headers["x-api-key"] = settings["PLEXUS_API_KEY"]

    def create(self, model: Model, fields: Mapping[str, Any]) -> None:
        """One new record with the id it brings, so that asking again cannot make two."""
        try:
            self._write("create", model, fields)
        except Refused as exc:
            if _THERE_ALREADY not in str(exc):
                raise

    def update(self, model: Model, fields: Mapping[str, Any]) -> None:
        """Set fields of the record whose key is among them."""
        self._write("update", model, fields)

    def _write(self, verb: str, model: Model, fields: Mapping[str, Any]) -> None:
        name, kind = naming.mutation_field(verb, model), naming.input_type(verb, model)
        self.ask(f"mutation($i:{kind}!){{{name}(input:$i){{{' '.join(model.key)}}}}}", {"i": dict(fields)})

    def records(self, model: Model) -> Iterator[dict[str, Any]]:
        """Every record of a model, all fields. Raises: Refused."""
        name, fields = naming.list_field(model), " ".join(f.name for f in model.remote_fields)
        document = f"query($t:String){{{name}(limit:{_PAGE},nextToken:$t){{items{{{fields}}}nextToken}}}}"
        token: str | None = None
        while True:
            page = self.ask(document, {"t": token})[name]
            yield from page["items"]
            token = page["nextToken"]
            if token is None:
                return

    def ask(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The ``data`` of one answer. Raises: Refused, Broken."""
        answer = self._answer({"query": document, "variables": dict(variables)})
        if answer.get("errors"):
            first = answer["errors"][0]
            raise Refused(f"{first.get('errorType')}: {first.get('message')}")
        data: dict[str, Any] = answer["data"]
        return data

    def _answer(self, body: Mapping[str, Any]) -> dict[str, Any]:
        for attempt in range(1, _TRIES + 1):
            try:
                response = self._session.post(self._url, json=body, timeout=_LIMIT_S, allow_redirects=False)
                response.raise_for_status()
                answer: dict[str, Any] = response.json()
            except requests.RequestException as exc:
                if attempt == _TRIES:
                    raise Broken(f"Plexus gave no answer to {_TRIES} requests, at last: {exc}") from exc
                continue
            return answer
        raise AssertionError("the last try returns or raises")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._session.close()


class Effects:
    """The sandbox's own account of what it applied, read from its file while it runs; never written."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def applied(self, op: str | None = None) -> int:
        """How many mutations took effect, optionally of one kind."""
        rows = self._rows("SELECT count(*) FROM effect WHERE ? IS NULL OR op = ?", (op, op))
        return int(rows[0][0])

    def creates(self) -> Counter[tuple[str, str]]:
        """How often each record (model, key) was created."""
        return Counter({(model, key): n for model, key, n in self._rows(_CREATES, ())})

    def _rows(self, sql: str, parameters: tuple[str | None, ...]) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._uri, uri=True, isolation_level=None)) as connection:
            connection.execute("PRAGMA busy_timeout = 5000")
            return connection.execute(sql, parameters).fetchall()


_CREATES = "SELECT model, key, count(*) FROM effect WHERE remote = 'plexus' AND op = 'create' GROUP BY model, key"
