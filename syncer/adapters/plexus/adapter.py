"""Plexus as the engine sees it: batches of aliased mutations, pages of index queries, gets by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from syncer import clock
from syncer.adapters.plexus import codec, documents, lookup, responses, settings
from syncer.adapters.plexus.deployed import DeployedModels
from syncer.adapters.plexus.queries import Questions, request
from syncer.adapters.plexus.settings import read_timeout_s
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.http import responses as http_responses
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.graphql import Envelope, ErrorKind, GraphError, envelope
from syncer.http.responses import identified
from syncer.http.session import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Answer, Session, checked_secret, checked_url
from syncer.remote import (
    Change,
    Limits,
    Op,
    Page,
    PageRequest,
    PushResult,
    Receipt,
    ReceiptKind,
    Row,
    SchemaDifference,
    StopReason,
)
from syncer.schema.model import Model
from syncer.schema.pull import BySetting

_FETCH_BATCH = 50
_READ_BACK_TRIES = 3


class Plexus:
    """The remote: what is configured, and how changes look on the wire."""

    name = "plexus"
    limits = Limits(fetch=_FETCH_BATCH)

    def __init__(self, settings: Mapping[str, str]) -> None:
        if "api_url" in settings:  # before anything is claimed for an address that credentials must not go to
            checked_url("PLEXUS_API_URL", settings["api_url"])
        checked_secret("PLEXUS_API_KEY", settings.get("api_key", ""))
        self._settings = settings
        self._read_s = read_timeout_s(settings, READ_TIMEOUT_S)
        self._deployed = DeployedModels()
        self.models: Mapping[str, Model] = self._deployed.models

    @property
    def differences(self) -> Mapping[str, SchemaDifference]:
        """How this deployment is known to differ from what is described, by model."""
        return self._deployed.differences

    def adapt(self, differences: Mapping[str, SchemaDifference]) -> None:
        """Take up what was remembered of this deployment."""
        self._deployed.adapt(differences)

    def probe(self, models: Sequence[str]) -> str | None:
        """Compare these models with the deployed schema; the server's time. Raises: RemoteError."""
        with closing(self.connect()) as connection:
            return connection.probe(models)

    def missing_settings(self) -> list[str]:
        """Environment names of the settings still needed."""
        return settings.missing(self._settings)

    def pull_sources(self) -> Mapping[str, Sequence[str]]:
        """The settings pulls start from, and the address they are pulled from."""
        named = {"account_key": self._settings.get("account_key"), "place": self._settings.get("api_url")}
        return {name: [value] for name, value in named.items() if value}

    def serialize(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text of a change."""
        return codec.serialize(change.model, change.op, change.key, change.fields, row, base)

    def written_fields(self, change: Change) -> Row:
        """What a serialized change writes, in stored form."""
        return codec.written_fields(change.model, change.body or "")

    def preview(self, change: Change) -> Receipt:
        """What will be said to a serialized change, as far as that is known without asking."""
        return self._deployed.kept(change) or Receipt(change.seq, ReceiptKind.ACKED)

    def connect(self) -> PlexusConnection:
        """A new connection. Raises: SettingError for an address that credentials must not go to."""
        url = checked_url("PLEXUS_API_URL", self._settings["api_url"])
        timeout = (min(CONNECT_TIMEOUT_S, self._read_s), self._read_s)
        return PlexusConnection(Session(url, {"x-api-key": self._settings["api_key"]}, timeout_s=timeout), self._deployed)


class PlexusConnection:
    """One connection to AppSync."""

    def __init__(self, session: Session, deployed: DeployedModels) -> None:
        self._session = session
        self._deployed = deployed
        self._questions = Questions(session, deployed)
        self.probe = self._questions.probe

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def push(self, changes: Sequence[Change]) -> PushResult:
        """Send changes as one document of aliased mutations."""
        go: list[Change] = []
        receipts: list[Receipt] = []
        for change in changes:
            kept = self._deployed.kept(change)
            if kept is None:
                go.append(change)
            else:
                receipts.append(kept)
        if not go:
            return PushResult(tuple(receipts))
        result = self._push(go)
        return PushResult(
            (*receipts, *result.receipts),
            result.divisible,
            result.halt,
            result.retry_after_s,
            result.reason,
            result.elapsed_s,
        )

    def _push(self, changes: Sequence[Change]) -> PushResult:
        shape, variables = [], {}
        for n, change in enumerate(changes):
            body = _body(change)
            variables[f"i{n}"] = body["input"]
            if "condition" in body:
                variables[f"c{n}"] = body["condition"]
            shape.append((change.op, self._deployed.models[change.model.name], "condition" in body))
        try:
            answer = self._session.post(request(documents.mutation(tuple(shape)), variables))
        except NotSent as exc:
            return responses.all_alike(changes, ReceiptKind.LATER, "unreachable", str(exc), halt=StopReason.UNREACHABLE)
        except ReplyLost as exc:
            return responses.all_alike(changes, ReceiptKind.AMBIGUOUS, "reply-lost", str(exc))
        return identified(self._replied(changes, answer), answer)

    def _replied(self, changes: Sequence[Change], answer: Answer) -> PushResult:
        failed = responses.refused_status(changes, answer)
        if failed is not None:
            return failed
        read = envelope(answer.body)
        if read is None:
            return responses.unreadable(changes, answer)
        if read.data is None and read.whole is not None and not read.by_alias:
            return self._nothing_ran(changes, read.whole, answer)
        return self._settled(changes, read, answer)

    def _nothing_ran(self, changes: Sequence[Change], error: GraphError, answer: Answer) -> PushResult:
        absent = responses.undeployed(error.message, changes)
        if absent:
            self._deployed.nowhere |= absent
            return self.push(changes)
        try:
            if self._questions.learns(error):
                return self.push(changes)
        except Unreachable as exc:
            return responses.all_alike(changes, ReceiptKind.LATER, "schema-unread", exc.sentence, elapsed_s=answer.elapsed_s)
        return responses.rejected(changes, error, answer)

    def _settled(self, changes: Sequence[Change], read: Envelope, answer: Answer) -> PushResult:
        receipts: list[Receipt] = []
        differ: list[tuple[Change, GraphError]] = []
        for n, change in enumerate(changes):
            error = read.by_alias.get(f"m{n}")
            if error is not None and error.error_kind is ErrorKind.CONDITION:
                differ.append((change, error))
            elif error is not None and not error.in_answer:
                receipts.append(responses.failed(change, error))
            else:
                receipts.append(self._answered(change, f"m{n}", read))
        looked = self._read_back(differ)
        return replace(looked, receipts=(*receipts, *looked.receipts), elapsed_s=answer.elapsed_s)

    def _answered(self, change: Change, alias: str, read: Envelope) -> Receipt:
        """The receipt of a change that met no error of its own: done where its record says so, in doubt otherwise."""
        data = read.data or {}
        record = data.get(alias)
        model = self._deployed.models[change.model.name]
        if isinstance(record, dict) and all(record.get(n) == v for n, v in model.key_fields(change.key).items()):
            return Receipt(change.seq, ReceiptKind.ACKED, codec.stamps(model, record))
        error = read.by_alias.get(alias) or read.whole
        if change.op == Op.DELETE and alias in data and record is None and error is None:
            return Receipt(change.seq, ReceiptKind.ACKED, {})  # what was not there is not there
        if record is not None:  # somebody else's answer: a cache or a connection that mixes them up
            return Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="other-record", reason="answered with another record")
        why = "answered without its record" + (f": {error.message}" if error else " and without an error")
        return Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="no-record", reason=why)

    def _read_back(self, differ: Sequence[tuple[Change, GraphError]]) -> PushResult:
        """A failed precondition says only that the record is not as expected: look at it."""
        receipts: list[Receipt] = []
        for start in range(0, len(differ), _FETCH_BATCH):
            part = differ[start : start + _FETCH_BATCH]
            try:
                found = self._get_again([(change.model, change.key) for change, _ in part])
            except RemoteError as exc:
                rest = [change for change, _ in differ[start:]]
                unread = responses.read_failed(rest, exc)
                if unread.halt is not None or unread.retry_after_s is not None:
                    return replace(unread, receipts=(*receipts, *unread.receipts))
                receipts += unread.receipts[: len(part)]
                continue
            receipts += [
                Receipt(c.seq, ReceiptKind.DIFFERS, row, code="condition", reason=error.message)
                for (c, error), row in zip(part, found, strict=True)
            ]
        return PushResult(tuple(receipts))

    def _get_again(self, wanted: Sequence[tuple[Model, str]]) -> list[Row | None]:
        """Like :meth:`_get`, repeated at once while the remote is there: giving up costs a repeat of the whole push."""
        for _ in range(_READ_BACK_TRIES - 1):
            try:
                return self._get(wanted)
            except Unreachable as exc:
                if not exc.connected or exc.retry_after_s is not None:
                    raise
        return self._get(wanted)

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Records by key text. Raises: RemoteError."""
        found: dict[str, Row | None] = {}
        keys = list(known)
        for start in range(0, len(keys), _FETCH_BATCH):
            part = keys[start : start + _FETCH_BATCH]
            found.update(zip(part, self._get([(model, key) for key in part]), strict=True))
        return found

    def _get(self, wanted: Sequence[tuple[Model, str]]) -> list[Row | None]:
        variables = {
            f"k{n}_{name}": value for n, (model, key) in enumerate(wanted) for name, value in model.key_fields(key).items()
        }
        _, read = self._questions.query(documents.fetch(tuple(model for model, _ in wanted)), variables)
        rows: list[Row | None] = []
        for n, (model, key) in enumerate(wanted):
            record = (read.data or {}).get(f"g{n}")
            error = read.by_alias.get(f"g{n}")
            error = error or (read.whole if read.data is None else None)
            if error is not None and record is None:
                raise RemoteRefused(f"Plexus would not show {model.name}", record=key, why=error.message)
            row = codec.readable(model, record)
            if record is not None and row is None:
                raise RemoteRefused(f"Plexus showed a {model.name} that cannot be read", record=key)
            if row is not None and model.key_text(row) != key:
                raise responses.another(model, key)
            rows.append(row)
        return rows

    def lookup(self, model: Model, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
        """Records by what they hold, through the index that fixes the most of it. Raises: RemoteError."""
        if wanted and set(wanted[0]) == set(model.key):
            found = self.fetch(model, {model.key_text(values): {} for values in wanted})
            return [[row] if (row := found[model.key_text(values)]) else [] for values in wanted]
        return lookup.find_records(lambda document, variables: self._questions.query(document, variables)[1], model, wanted)

    def page(self, request: PageRequest) -> Page:
        """One page of a model's pull plan; asks for less when the remote finds the page too large. Raises: RemoteError."""
        limit = request.limit
        while True:
            variables: dict[str, Any] = {"n": limit, "t": request.token}
            if request.partition is not None:
                variables["p"] = request.partition
            if request.cursor is not None:
                variables["c"] = clock.wire(request.cursor)
            answer, read = self._questions.query(documents.page(request.model, request.cursor is not None), variables)
            error = read.by_alias.get("page") or read.whole
            connection = (read.data or {}).get("page")
            if error is None or isinstance(connection, dict):
                break
            if error.error_kind is not ErrorKind.TOO_BIG or limit <= 1:
                raise responses.unpageable(request.model, error)
            limit //= 2
        if not isinstance(connection, dict):
            raise RemoteRefused(f"Plexus would not list {request.model.name}", why="an answer without a list")
        return _page(request.model, connection, answer)


def _body(change: Change) -> dict[str, Any]:
    import json

    body: dict[str, Any] = json.loads(change.body or "{}")
    return body


def _page(model: Model, connection: Mapping[str, Any], answer: Answer) -> Page:
    rows, left_out = codec.read_all(model, connection.get("items"))
    token = None if isinstance(model.pull, BySetting) and rows else connection.get("nextToken")
    return Page(
        rows, token if isinstance(token, str) and token else None, http_responses.server_time(answer.headers), left_out
    )


REMOTE = Plexus
