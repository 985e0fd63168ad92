"""Prefactor as the engine sees it: one request a change, offset pages, records by id.

Every body carries the key of its change, serialized with it, so a repeat is answered with what the first made; ids that were
minted here are the second line of defence.

Source: docs/remotes/prefactor.md#requests
Source: docs/remotes/prefactor.md#idempotency
Source: docs/remotes/prefactor.md#lifecycle
Source: docs/remotes/prefactor.md#paging
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.adapters.prefactor import codec, responses, settings
from syncer.adapters.prefactor.codec import INSTANCE, SPAN
from syncer.adapters.prefactor.responses import AnswerKind, ChangeResult, ParsedAnswer
from syncer.adapters.prefactor.spec import FINAL_STATES, MODELS
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.http import responses as http_responses
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.responses import request_id
from syncer.http.session import Answer, Session, checked_secret, checked_url
from syncer.remote import (
    PLACEHOLDER_PREFIX,
    Change,
    Limits,
    Op,
    Page,
    PageRequest,
    PushResult,
    Receipt,
    ReceiptKind,
    Row,
    StopReason,
)
from syncer.schema.model import Model
from syncer.schema.values import dumps

_API = "/api/v1"
_MOST_UNANSWERED = 3
_LARGEST_PAGE = 100
_KEY_REUSED = "idempotency_key_reused"


class Prefactor:
    """The remote: what is configured, and how changes look on the wire."""

    name = "prefactor"
    models: Mapping[str, Model] = MODELS
    limits = Limits(first_batch=10, max_batch=50, page=_LARGEST_PAGE)

    def __init__(self, settings: Mapping[str, str]) -> None:
        if "api_url" in settings:  # before anything is claimed for an address that credentials must not go to
            checked_url("PREFACTOR_API_URL", settings["api_url"])
        checked_secret("PREFACTOR_API_TOKEN", settings.get("api_token", ""))
        self._settings = settings

    def missing_settings(self) -> list[str]:
        """Environment names of the settings still needed."""
        return settings.missing(self._settings)

    def pull_sources(self) -> Mapping[str, Sequence[str]]:
        """Pulls start from the agents that are known here, not from settings; only the address is one."""
        return {"place": [self._settings["api_url"]]} if "api_url" in self._settings else {}

    def serialize(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text of a change."""
        return codec.serialize(change, row)

    def written_fields(self, change: Change) -> Row:
        """What a serialized change writes, in stored form."""
        return codec.written_fields(change)

    def preview(self, change: Change) -> Receipt:
        """What will be said to a serialized change, as far as that is known without asking; the remote may give it an id."""
        document = codec.parse_body(change)
        given = (
            None if change.op != Op.CREATE or not document or codec.sent_id(document) else PLACEHOLDER_PREFIX + change.key
        )
        return _impossible(change, document) or Receipt(change.seq, ReceiptKind.ACKED, key=given)

    def connect(self) -> PrefactorConnection:
        """A new connection. Raises: SettingError for an address that credentials must not go to."""
        url = checked_url("PREFACTOR_API_URL", self._settings["api_url"]).rstrip("/") + _API
        headers = {"Authorization": f"Bearer {self._settings['api_token']}", "Accept": "application/json"}
        return PrefactorConnection(Session(url, headers))


class PrefactorConnection:
    """One connection to the API."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def push(self, changes: Sequence[Change]) -> PushResult:
        """Send changes one by one; what makes no sense to be tried behind a failure is left for later."""
        receipts: list[Receipt] = []
        elapsed_s, unanswered = 0.0, 0
        for change in changes:
            told, took_s = self._one(change)
            elapsed_s += took_s
            receipts.append(told.receipt)
            unanswered = unanswered + 1 if told.receipt.kind is ReceiptKind.AMBIGUOUS else 0
            if told.stops or unanswered >= _MOST_UNANSWERED:
                reason = told.receipt.reason
                receipts += [
                    Receipt(c.seq, ReceiptKind.LATER, code="not-sent", reason=reason) for c in changes[len(receipts) :]
                ]
                return PushResult(
                    tuple(receipts),
                    halt=told.halt,
                    retry_after_s=told.retry_after_s,
                    reason=reason,
                    elapsed_s=elapsed_s,
                )
        last = next((r.reason for r in reversed(receipts) if r.kind is ReceiptKind.AMBIGUOUS), "")
        return PushResult(tuple(receipts), reason=last, elapsed_s=elapsed_s)

    def _one(self, change: Change) -> tuple[ChangeResult, float]:
        document = codec.parse_body(change)
        impossible = _impossible(change, document)
        if impossible is not None:
            return ChangeResult(impossible), 0.0
        try:
            answer = self._session.post(dumps(document["body"]).encode(), document["path"])
        except NotSent as exc:
            receipt = Receipt(change.seq, ReceiptKind.LATER, code="unreachable", reason=str(exc))
            return ChangeResult(receipt, StopReason.UNREACHABLE), 0.0
        except ReplyLost as exc:
            return ChangeResult(Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="reply-lost", reason=str(exc))), 0.0
        said = responses.read(answer)
        told = self._told(change, document, said, answer)
        signal = _signal(change, document, said)
        receipt = replace(told.receipt, others=signal, request_id=request_id(answer.headers))
        return replace(told, receipt=receipt), answer.elapsed_s

    def _told(self, change: Change, document: Mapping[str, Any], said: ParsedAnswer, answer: Answer) -> ChangeResult:
        if said.kind is AnswerKind.DONE:
            return ChangeResult(_done(change, said))
        if said.kind is AnswerKind.CLASHES and change.op == Op.CREATE and codec.sent_id(document) is not None:
            return self._taken(change, document, said)
        if said.kind is AnswerKind.CLASHES and said.status == 409 and change.edits and said.code != _KEY_REUSED:
            return self._over(change, document, said)
        return responses.not_applied(change, said, answer)

    def _taken(self, change: Change, document: Mapping[str, Any], said: ParsedAnswer) -> ChangeResult:
        """A create was refused, perhaps because its id is there already: the engine compares what is."""
        return self._looked(
            change,
            document,
            said,
            lambda record: Receipt(
                change.seq,
                ReceiptKind.DIFFERS,
                codec.as_row(change.model, record),
                code=said.code,
                reason=said.reason,
            ),
        )

    def _over(self, change: Change, document: Mapping[str, Any], said: ParsedAnswer) -> ChangeResult:
        """An action was refused because of the record's status: fine, if that is where it should lead, or final."""
        wanted = "active" if change.op == "start" else document["body"]["status"]

        def judged(record: Mapping[str, Any]) -> Receipt:
            if record.get("status") != wanted and record.get("status") not in FINAL_STATES:
                return responses.refused(change, said)
            reason = f"it was {record['status']} already: {said.reason}"
            return Receipt(change.seq, ReceiptKind.ACKED, codec.told(change, record), reason=reason)

        return self._looked(change, document, said, judged)

    def _looked(
        self, change: Change, document: Mapping[str, Any], said: ParsedAnswer, judged: Callable[[Mapping[str, Any]], Receipt]
    ) -> ChangeResult:
        """What follows from the record as it is; a refusal when there is none, or it may not be read."""
        try:
            record = self._record(change.model, change.key, _instance(change, document))
        except RemoteError as exc:
            why = f"the record could not be read: {exc.sentence}"
            return responses.lookup_failed(change, exc) or ChangeResult(responses.refused(change, said, why))
        return ChangeResult(responses.refused(change, said) if record is None else judged(record))

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Records by id; those that have a local id only are not asked for. Raises: RemoteError."""
        found: dict[str, Row | None] = dict.fromkeys(known)
        if model.name == INSTANCE.name:
            for key in known:
                record = self._record(model, key, key)
                found[key] = None if record is None else codec.as_row(model, record)
            return found
        for instance in {row["agent_instance_id"] for row in known.values() if row.get("agent_instance_id")}:
            for record in self._spans(instance):
                if record.get("id") in found:
                    found[record["id"]] = codec.as_row(model, record)
        return found

    def _record(self, model: Model, key: str, instance: str) -> Mapping[str, Any] | None:
        if model.name == SPAN.name:
            return next((record for record in self._spans(instance) if record.get("id") == key), None)
        if codec.nowhere_else(key):
            return None
        found = self._get(codec.path("agent_instance", key), {})
        if found is None:
            return None
        said, answer = found
        if said.details is None or said.details["id"] != key:
            raise Unreachable(said.unusable).having(connected=not answer.is_html)
        return said.details

    def _spans(self, instance: str) -> Iterator[Mapping[str, Any]]:
        """Every span of an instance."""
        token: str | None = None
        while True:
            records, token, _ = self._page(SPAN, instance, token, _LARGEST_PAGE)
            yield from records
            if token is None:
                return

    def page(self, request: PageRequest) -> Page:
        """One page of an agent's instances, or of an instance's spans. Raises: RemoteError."""
        records, token, answer = self._page(request.model, request.partition or "", request.token, request.limit)
        rows = [codec.as_tuple(request.model, r) for r in records if isinstance(r, dict) and isinstance(r.get("id"), str)]
        server_time = None if answer is None else http_responses.server_time(answer.headers)
        return Page(rows, token, server_time, len(records) - len(rows))

    def _page(
        self, model: Model, owner: str, token: str | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], str | None, Answer | None]:
        """Records, the token of the next page, the answer; nothing for an owner that the remote does not know."""
        if not owner or codec.nowhere_else(owner):
            return (), None, None
        at, name = ("/agent_spans", "agent_instance_id") if model.name == SPAN.name else ("/agent_instance", "agent_id")
        offset = int(token) if token is not None and token.isdigit() else 0
        size = str(min(limit, _LARGEST_PAGE))
        found = self._get(at, {name: owner, "pagination[offset]": str(offset), "pagination[page_size]": size})
        if found is None:
            return (), None, None
        said, answer = found
        records = (said.document or {}).get("summaries")
        if not isinstance(records, list):
            raise RemoteRefused(f"Prefactor would not list {model.name}", why="an answer without a list")
        return records, _next(said, offset) if records else None, answer

    def _get(self, path: str, query: Mapping[str, str]) -> tuple[ParsedAnswer, Answer] | None:
        """An answer to a question; None when there is no such record. Raises: RemoteError."""
        answer = self._asked(path, query)
        said = responses.read(answer)
        if said.kind is AnswerKind.ABSENT:
            return None
        if said.kind is AnswerKind.ACCESS and responses.read(self._asked("/ping", {})).kind is AnswerKind.DONE:
            raise RemoteRefused("this Prefactor token may write, but not read", why="pulling needs a token of the account")
        if said.kind is not AnswerKind.DONE:
            raise responses.read_failed(said, answer)
        return said, answer

    def _asked(self, path: str, query: Mapping[str, str]) -> Answer:
        try:
            return self._session.get(path, query)
        except (NotSent, ReplyLost) as exc:
            lost = Unreachable("Prefactor cannot be reached", why=str(exc), hint="check PREFACTOR_API_URL and the network")
            raise lost.having(connected=isinstance(exc, ReplyLost)) from exc


def _impossible(change: Change, document: Mapping[str, Any]) -> Receipt | None:
    """The refusal of what need not be asked."""
    if not document:
        why = f"Prefactor has no {change.op} of {change.model.name}; the record changes by its actions only"
        return Receipt(change.seq, ReceiptKind.REFUSED, code="not-supported", reason=why)
    field = codec.dangling(document)
    if field is None:
        return None
    why = f"{field} names a record that was dropped before it was ever sent"
    return Receipt(change.seq, ReceiptKind.REFUSED, code="dangling", reason=why)


def _done(change: Change, said: ParsedAnswer) -> Receipt:
    details = said.details
    if details is None:  # a proxy may have cut the answer after everything was applied
        return Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="unreadable", reason=said.unusable)
    if change.op != Op.CREATE and details["id"] != change.key:
        return Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="other-record", reason="answered with another record")
    key = str(details["id"]) if change.op == Op.CREATE else None
    return Receipt(change.seq, ReceiptKind.ACKED, codec.told(change, details), key=key)


def _instance(change: Change, document: Mapping[str, Any]) -> str:
    """The instance that a change is about, or that its span belongs to, by its id on the remote."""
    if change.model.name == INSTANCE.name:
        return change.key
    return str(document.get("instance") or document["body"].get("details", {}).get("agent_instance_id") or "")


def _signal(change: Change, document: Mapping[str, Any], said: ParsedAnswer) -> tuple[tuple[Model, str, Row], ...]:
    """What the answer says about stopping the run, for the row of its instance."""
    if said.control is None:
        return ()
    created = change.model.name == INSTANCE.name and change.op == Op.CREATE and said.details is not None
    instance = str(said.details["id"]) if created and said.details else _instance(change, document)
    return ((INSTANCE, instance, {"control": dumps(said.control)}),)


def _next(said: ParsedAnswer, offset: int) -> str | None:
    """Where the next page begins; None on the last, or when the remote would lead us in a circle."""
    pagination = (said.document or {}).get("pagination")
    found = pagination.get("next_page_offset") if isinstance(pagination, dict) else None
    return str(found) if isinstance(found, int) and found > offset else None


REMOTE = Prefactor
