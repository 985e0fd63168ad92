"""Plexus as the engine sees it: batches of aliased mutations, pages of index queries, gets by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from syncer import clock
from syncer.describe import Model
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.http import failures
from syncer.http.failures import NotSent, ReplyLost, Verdict
from syncer.http.graphql import Envelope, GraphError, Meaning, envelope
from syncer.http.session import Answer, Session, checked_url
from syncer.plans import ByKey
from syncer.plexus import answers, documents, forms, settings
from syncer.plexus.spec import MODELS
from syncer.port import Ask, Change, Halt, Limits, Op, Outcome, Page, Receipt, Reply, Row
from syncer.values import dumps

_FETCH_BATCH = 50
_READ_BACK_TRIES = 3
_NOT_DEPLOYED = "this deployment has no {model}; the record stays in the local file"


class Plexus:
    """The remote: what is configured, and how changes look on the wire."""

    name = "plexus"
    models: Mapping[str, Model] = MODELS
    limits = Limits()

    def __init__(self, settings: Mapping[str, str]) -> None:
        if "api_url" in settings:  # before anything is claimed for an address that credentials must not go to
            checked_url("PLEXUS_API_URL", settings["api_url"])
        self._settings = settings
        self.absent: set[str] = set()
        """Legacy models this deployment turned out not to have."""

    def missing(self) -> list[str]:
        """Environment names of the settings still needed."""
        return settings.missing(self._settings)

    def partitions(self) -> Mapping[str, Sequence[str]]:
        """The settings pulls start from."""
        return {k: [v] for k, v in self._settings.items() if k == "account_key"}

    def frozen(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text of a change."""
        return forms.frozen(change.model, change.op, change.key, change.fields, row, base)

    def sent(self, change: Change) -> Row:
        """What a frozen change writes, in stored form."""
        return forms.sent(change.model, change.body or "")

    def line(self) -> PlexusLine:
        """A new connection. Raises: SettingError for an address that credentials must not go to."""
        url = checked_url("PLEXUS_API_URL", self._settings["api_url"])
        return PlexusLine(Session(url, {"x-api-key": self._settings["api_key"]}), self.absent)


class PlexusLine:
    """One connection to AppSync."""

    def __init__(self, session: Session, absent: set[str]) -> None:
        self._session = session
        self._absent = absent

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def push(self, changes: Sequence[Change]) -> Reply:
        """Send changes as one document of aliased mutations."""
        stay = [c for c in changes if c.model.name in self._absent]
        go = [c for c in changes if c.model.name not in self._absent]
        receipts = [
            Receipt(c.seq, Outcome.REFUSED, code="not-deployed", reason=_NOT_DEPLOYED.format(model=c.model.name))
            for c in stay
        ]
        if not go:
            return Reply(tuple(receipts))
        reply = self._push(go)
        return Reply(
            (*receipts, *reply.receipts), reply.divisible, reply.halt, reply.retry_after_s, reply.reason, reply.elapsed_s
        )

    def _push(self, changes: Sequence[Change]) -> Reply:
        shape, variables = [], {}
        for n, change in enumerate(changes):
            body = _body(change)
            variables[f"i{n}"] = body["input"]
            if "condition" in body:
                variables[f"c{n}"] = body["condition"]
            shape.append((change.op, change.model, "condition" in body))
        try:
            answer = self._session.post(_request(documents.mutation(tuple(shape)), variables))
        except NotSent as exc:
            return answers.all_alike(changes, Outcome.LATER, "unreachable", str(exc), halt=Halt.UNREACHABLE)
        except ReplyLost as exc:
            return answers.all_alike(changes, Outcome.AMBIGUOUS, "reply-lost", str(exc))
        failed = answers.refused_status(changes, answer)
        if failed is not None:
            return failed
        read = envelope(answer.body)
        if read is None:
            return answers.unreadable(changes, answer)
        if read.data is None:
            return self._nothing_ran(changes, read, answer)
        return self._settled(changes, read, answer)

    def _nothing_ran(self, changes: Sequence[Change], read: Envelope, answer: Answer) -> Reply:
        error = read.whole or next(iter(read.by_alias.values()), GraphError("an answer without data and without errors"))
        absent = answers.undeployed(error.message, changes)
        if absent:
            self._absent.update(absent)
            return self.push(changes)
        outcome = {
            Meaning.THROTTLED: Outcome.LATER,
            Meaning.UNKNOWN: Outcome.AMBIGUOUS,
        }.get(error.meaning, Outcome.REFUSED)
        divisible = outcome is Outcome.REFUSED and len(changes) > 1
        code = "validation" if outcome is Outcome.REFUSED else error.meaning.value
        halt = Halt.THROTTLED if outcome is Outcome.LATER else None
        return answers.all_alike(
            changes, outcome, code, error.message, divisible=divisible, halt=halt, elapsed_s=answer.elapsed_s
        )

    def _settled(self, changes: Sequence[Change], read: Envelope, answer: Answer) -> Reply:
        receipts: list[Receipt] = []
        differ: list[tuple[Change, GraphError]] = []
        for n, change in enumerate(changes):
            alias = f"m{n}"
            error = read.by_alias.get(alias)
            record = (read.data or {}).get(alias)
            if error is not None and error.meaning is Meaning.CONDITION:
                differ.append((change, error))
            elif error is not None:
                receipts.append(answers.failed(change, error))
            elif record is None and change.op != Op.DELETE:
                receipts.append(
                    Receipt(change.seq, Outcome.AMBIGUOUS, code="no-record", reason="answered with null and no error")
                )
            else:
                receipts.append(Receipt(change.seq, Outcome.ACKED, forms.stamps(change.model, record or {})))
        receipts += self._read_back(differ)
        return Reply(tuple(receipts), elapsed_s=answer.elapsed_s)

    def _read_back(self, differ: Sequence[tuple[Change, GraphError]]) -> list[Receipt]:
        """A failed precondition says only that the record is not as expected: look at it."""
        receipts = []
        for start in range(0, len(differ), _FETCH_BATCH):
            part = differ[start : start + _FETCH_BATCH]
            try:
                found = self._get_again([(change.model, change.key) for change, _ in part])
            except RemoteError as exc:
                receipts += [Receipt(c.seq, Outcome.AMBIGUOUS, code="unread", reason=exc.sentence) for c, _ in part]
                continue
            receipts += [
                Receipt(c.seq, Outcome.DIFFERS, row, code="condition", reason=error.message)
                for (c, error), row in zip(part, found, strict=True)
            ]
        return receipts

    def _get_again(self, wanted: Sequence[tuple[Model, str]]) -> list[Row | None]:
        """Like :meth:`_get`, repeated at once while the remote is there: giving up costs a repeat of the whole push."""
        for _ in range(_READ_BACK_TRIES - 1):
            try:
                return self._get(wanted)
            except Unreachable as exc:
                if not exc.connected:
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
        _, read = self._query(documents.fetch(tuple(model for model, _ in wanted)), variables)
        rows: list[Row | None] = []
        for n, (model, key) in enumerate(wanted):
            record = (read.data or {}).get(f"g{n}")
            error = read.by_alias.get(f"g{n}")
            if error is not None and record is None:
                raise RemoteRefused(f"Plexus would not show {model.name}", record=key, why=error.message)
            rows.append(None if record is None else forms.as_row(model, record))
        return rows

    def page(self, ask: Ask) -> Page:
        """One page of a model's pull plan; asks for less when the remote finds the page too large. Raises: RemoteError."""
        limit = ask.limit
        while True:
            variables: dict[str, Any] = {"n": limit, "t": ask.token}
            if ask.partition is not None:
                variables["p"] = ask.partition
            if ask.cursor is not None:
                variables["c"] = clock.wire(ask.cursor)
            answer, read = self._query(documents.page(ask.model, ask.cursor is not None), variables)
            error = read.by_alias.get("page") or read.whole
            connection = (read.data or {}).get("page")
            if error is None or isinstance(connection, dict):
                break
            if error.meaning is not Meaning.TOO_BIG or limit <= 1:
                raise answers.unpageable(ask.model, error)
            limit //= 2
        return _page(ask.model, connection or {}, answer)

    def _query(self, document: str, variables: Mapping[str, Any]) -> tuple[Answer, Envelope]:
        try:
            answer = self._session.post(_request(document, variables))
        except (NotSent, ReplyLost) as exc:
            lost = Unreachable("Plexus cannot be reached", why=str(exc), hint="check PLEXUS_API_URL and the network")
            raise lost.having(connected=isinstance(exc, ReplyLost)) from exc
        judged = failures.verdict(answer.status)
        if judged is Verdict.ACCESS:
            raise answers.no_access(answer.status)
        read = envelope(answer.body) if judged is Verdict.ANSWERED else None
        if read is None:
            strange = Unreachable(answers.strange(answer), hint="check PLEXUS_API_URL, then try again")
            again = judged in (Verdict.UNKNOWN, Verdict.THROTTLED) or (judged is Verdict.ANSWERED and not answer.is_html)
            raise strange.having(connected=again, retry_after_s=failures.retry_after_s(answer.headers))
        return answer, read


def _body(change: Change) -> dict[str, Any]:
    import json

    body: dict[str, Any] = json.loads(change.body or "{}")
    return body


def _request(document: str, variables: Mapping[str, Any]) -> bytes:
    return dumps({"query": document, "variables": variables}).encode()


def _page(model: Model, connection: Mapping[str, Any], answer: Answer) -> Page:
    read = forms.reader(model)
    items = connection.get("items") or []
    rows = [read(item) for item in items if item is not None]
    token = None if isinstance(model.pull, ByKey) and rows else connection.get("nextToken")
    return Page(rows, token or None, failures.server_time(answer.headers), len(items) - len(rows))


REMOTE = Plexus
