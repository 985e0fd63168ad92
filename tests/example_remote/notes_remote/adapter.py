"""The service as the engine sees it: one request a change, pages by token, records by id.

Every change carries an idempotency key, so that a repeat is answered with what the first request did. Edits and deletes
carry the version of the record that they were made on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from notes_remote import codec
from notes_remote.spec import MODELS
from syncer.errors import AccessRefused, RemoteRefused, Unreachable
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.responses import StatusClass, decoded, identified, retry_after_s, server_time, status_class
from syncer.http.session import Answer, Session, checked_secret, checked_url
from syncer.remote import Change, Limits, Op, Page, PageRequest, PushResult, Receipt, ReceiptKind, Row, StopReason
from syncer.schema.model import Model

_NEEDED = {"api_url": "NOTES_API_URL", "token": "NOTES_TOKEN"}
_PAGE = 100


class Notes:
    """The remote: what is configured, and how changes look on the wire."""

    name = "notes"
    models: Mapping[str, Model] = MODELS
    limits = Limits(first_batch=1, max_batch=1, page=_PAGE)

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        if "api_url" in settings:
            checked_url("NOTES_API_URL", settings["api_url"])
        checked_secret("NOTES_TOKEN", settings.get("token", ""))

    def missing_settings(self) -> Sequence[str]:
        """Environment names of the settings still needed."""
        return [env for name, env in _NEEDED.items() if name not in self._settings]

    def pull_sources(self) -> Mapping[str, Sequence[str]]:
        """Pulls start from no setting; only the address is told."""
        return {"place": [self._settings["api_url"]]} if "api_url" in self._settings else {}

    def serialize(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text of a change."""
        return codec.frozen(change, row, base)

    def written_fields(self, change: Change) -> Row:
        """What a frozen change writes, in stored form."""
        return codec.sent(change)

    def connect(self) -> NotesLine:
        """A new connection."""
        headers = {"Authorization": f"Bearer {self._settings['token']}", "Accept": "application/json"}
        return NotesLine(Session(self._settings["api_url"].rstrip("/"), headers))


class NotesLine:
    """One connection to the service."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def push(self, changes: Sequence[Change]) -> PushResult:
        """Send one change: the limits of this remote allow no more."""
        (change,) = changes
        order = json.loads(change.body or "{}")
        headers = {"Idempotency-Key": change.idem_key}
        if order["version"] is not None:
            headers["If-Match"] = order["version"]
        body = None if order["body"] is None else json.dumps(order["body"]).encode()
        try:
            answer = self._session.send(order["method"], order["path"], body, headers)
        except NotSent as exc:
            return _reply(change, ReceiptKind.LATER, "unreachable", str(exc), halt=StopReason.UNREACHABLE)
        except ReplyLost as exc:
            return _reply(change, ReceiptKind.AMBIGUOUS, "reply-lost", str(exc))
        return identified(self._judged(change, answer), answer)

    def _judged(self, change: Change, answer: Answer) -> PushResult:
        record, elapsed_s = _object(answer), answer.elapsed_s
        if answer.status == 204 and change.op == Op.DELETE:
            return _reply(change, ReceiptKind.ACKED, elapsed_s=elapsed_s)
        judged = status_class(answer.status)
        if judged is StatusClass.ANSWERED and record is not None and record.get("id") == change.key:
            return _reply(change, ReceiptKind.ACKED, stored=_told(change, record), elapsed_s=elapsed_s)
        code, reason = str((record or {}).get("code", "")), str((record or {}).get("message", f"HTTP {answer.status}"))
        if judged is StatusClass.ACCESS:
            return _reply(change, ReceiptKind.LATER, "access-refused", reason, halt=StopReason.ACCESS)
        if judged is StatusClass.THROTTLED:
            wait_s = retry_after_s(answer.headers)
            return _reply(change, ReceiptKind.LATER, "throttled", reason, halt=StopReason.THROTTLED, retry_after_s=wait_s)
        if code == "not-found":
            done = change.op == Op.DELETE
            return _reply(change, ReceiptKind.ACKED if done else ReceiptKind.DIFFERS, code, reason if not done else "")
        if code in ("id-taken", "other-version") and record is not None:
            stored = codec.as_row(change.model, record["current"])
            return _reply(change, ReceiptKind.DIFFERS, code, reason, stored=stored, elapsed_s=elapsed_s)
        if code:
            return _reply(change, ReceiptKind.REFUSED, code, reason)
        if judged is StatusClass.WRONG_PLACE:
            return _reply(change, ReceiptKind.LATER, "wrong-address", reason, halt=StopReason.UNREACHABLE)
        return _reply(change, ReceiptKind.AMBIGUOUS, "server-error", reason, retry_after_s=retry_after_s(answer.headers))

    def page(self, request: PageRequest) -> Page:
        """One page of all notebooks, or of the notes of one. Raises: RemoteError."""
        query = {"limit": str(min(request.limit, _PAGE))}
        query |= {"after": request.token} if request.token else {}
        query |= {"notebookId": request.partition} if request.partition else {}
        answer, found = self._get(codec.PATHS[request.model.name], query)
        if found is None:  # the notebook is gone
            return Page((), server_time=server_time(answer.headers))
        rows = [tuple(codec.as_row(request.model, record).values()) for record in found["items"]]
        return Page(rows, found["next"], server_time(answer.headers))

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Records by id. Raises: RemoteError."""
        found: dict[str, Row | None] = {}
        for key in known:
            _, record = self._get(codec.path_of(model, key), {})
            found[key] = None if record is None else codec.as_row(model, record)
        return found

    def _get(self, path: str, query: Mapping[str, str]) -> tuple[Answer, dict[str, Any] | None]:
        """An answer and its document, None where there is no such record. Raises: RemoteError."""
        try:
            answer = self._session.get(path, query)
        except (NotSent, ReplyLost) as exc:
            lost = Unreachable("the notes service cannot be reached", why=str(exc), hint="check NOTES_API_URL")
            raise lost.having(connected=isinstance(exc, ReplyLost)) from exc
        document, judged = _object(answer), status_class(answer.status)
        if judged is StatusClass.ANSWERED and document is not None:
            return answer, document
        if document is not None and document.get("code") == "not-found":
            return answer, None
        if judged is StatusClass.ACCESS:
            raise AccessRefused(f"the notes service refused the token (HTTP {answer.status})", hint="check NOTES_TOKEN")
        if document is not None and "code" in document and judged is StatusClass.MALFORMED:
            raise RemoteRefused("the notes service would not answer", why=str(document.get("message")))
        lost = Unreachable(f"the notes service gave no usable answer (HTTP {answer.status})", hint="try again later")
        raise lost.having(connected=not answer.is_html, retry_after_s=retry_after_s(answer.headers))


def _reply(
    change: Change,
    kind: ReceiptKind,
    code: str = "",
    reason: str = "",
    *,
    stored: Row | None = None,
    halt: StopReason | None = None,
    retry_after_s: float | None = None,
    elapsed_s: float = 0.0,
) -> PushResult:
    receipt = Receipt(change.seq, kind, stored, code, reason)
    return PushResult((receipt,), halt=halt, retry_after_s=retry_after_s, reason=reason, elapsed_s=elapsed_s)


def _told(change: Change, record: Mapping[str, Any]) -> Row:
    """What an answer says of its record, without the key."""
    return {name: value for name, value in codec.as_row(change.model, record).items() if name not in change.model.key}


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        found = decoded(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
