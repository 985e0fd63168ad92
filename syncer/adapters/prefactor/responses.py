"""What Prefactor's answers mean. Pure.

Source: docs/remotes/prefactor.md#errors
Source: docs/remotes/prefactor.md#lifecycle
Source: docs/remotes/prefactor.md#control-signals
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from syncer.errors import AccessRefused, RemoteError, RemoteRefused, Unreachable
from syncer.http import responses
from syncer.http.responses import StatusClass, decoded
from syncer.http.session import Answer
from syncer.remote import Change, Receipt, ReceiptKind, StopReason

MOST_ABSENT = 8
"""So many attempts that end with "not found" make it final."""

_LONGEST_ABSENT_S = 300.0


class AnswerKind(Enum):
    """What an answer says about its request."""

    DONE = "done"
    ACCESS = "access"  # the token; nothing applied
    THROTTLED = "throttled"  # told to wait; nothing applied
    ABSENT = "absent"  # no such record, perhaps not yet
    CLASHES = "clashes"  # the record is not in a state for this, or the id is taken
    REFUSED = "refused"
    WRONG_PLACE = "wrong place"  # no such service at this address
    UNKNOWN = "unknown"  # may be applied


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """An answer, read. ``document`` is None when it is no JSON object."""

    kind: AnswerKind
    status: int
    document: Mapping[str, Any] | None
    retry_after_s: float | None
    unusable: str

    @property
    def details(self) -> Mapping[str, Any] | None:
        """The record it tells of, if it does."""
        found = (self.document or {}).get("details")
        return found if isinstance(found, dict) and isinstance(found.get("id"), str) and found["id"] else None

    @property
    def control(self) -> Mapping[str, Any] | None:
        """The signal to stop the run, or not to, if there is one."""
        found = (self.document or {}).get("control")
        return found if isinstance(found, dict) else None

    @property
    def code(self) -> str:
        """The API's word for a refusal."""
        return str((self.document or {}).get("code") or f"http-{self.status}")

    @property
    def reason(self) -> str:
        """A refusal in words, with what it says about single fields."""
        document = self.document or {}
        text = str(document.get("message") or f"HTTP {self.status}")
        errors = document.get("errors")
        return f"{text}: {json.dumps(errors, ensure_ascii=False)}" if errors else text


def read(answer: Answer) -> ParsedAnswer:
    """An answer of the API, or of whatever stands at its address."""
    document = _object(answer.body)
    waits = [responses.retry_after_s(answer.headers), _milliseconds(document)]
    retry_after_s = max((w for w in waits if w is not None), default=None)
    return ParsedAnswer(_kind(answer, document), answer.status, document, retry_after_s, _unusable(answer))


def _kind(answer: Answer, document: Mapping[str, Any] | None) -> AnswerKind:
    judged = responses.status_class(answer.status)
    if judged is StatusClass.ANSWERED and document is not None:
        return AnswerKind.DONE
    if judged in _PLAIN:
        return _PLAIN[judged]
    ours = document is not None and "code" in document and answer.status >= 400
    if judged is StatusClass.WRONG_PLACE and not ours:
        return AnswerKind.WRONG_PLACE
    return {404: AnswerKind.ABSENT, 409: AnswerKind.CLASHES, 422: AnswerKind.CLASHES}.get(answer.status, AnswerKind.REFUSED)


_PLAIN = {
    StatusClass.ANSWERED: AnswerKind.UNKNOWN,
    StatusClass.ACCESS: AnswerKind.ACCESS,
    StatusClass.THROTTLED: AnswerKind.THROTTLED,
    StatusClass.UNKNOWN: AnswerKind.UNKNOWN,
}


def _unusable(answer: Answer) -> str:
    if answer.is_html:
        return f"the address answered with a web page instead of data (HTTP {answer.status})"
    return f"the address gave no usable answer (HTTP {answer.status})"


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """The receipt of one change, and what it means for those behind it."""

    receipt: Receipt
    halt: StopReason | None = None
    retry_after_s: float | None = None

    @property
    def stops(self) -> bool:
        """True when nothing more should be sent now."""
        return self.halt is not None or self.retry_after_s is not None


def not_applied(change: Change, said: ParsedAnswer, answer: Answer) -> ChangeResult:
    """What an answer means that neither did it nor calls for a look at the record."""
    if said.kind is AnswerKind.ACCESS:
        text = no_access(said.status).sentence
        return ChangeResult(Receipt(change.seq, ReceiptKind.LATER, code="access-refused", reason=text), StopReason.ACCESS)
    if said.kind is AnswerKind.THROTTLED:
        receipt = Receipt(change.seq, ReceiptKind.LATER, code="throttled", reason=said.reason)
        return ChangeResult(receipt, StopReason.THROTTLED, said.retry_after_s)
    if said.kind is AnswerKind.WRONG_PLACE:
        receipt = Receipt(change.seq, ReceiptKind.LATER, code="wrong-address", reason=said.unusable)
        return ChangeResult(receipt, StopReason.UNREACHABLE)
    if said.kind is AnswerKind.ABSENT:
        return ChangeResult(absent(change, said))
    if said.kind is not AnswerKind.UNKNOWN:
        return ChangeResult(refused(change, said))
    if responses.status_class(said.status) is StatusClass.ANSWERED:
        receipt = Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="unreadable", reason=said.unusable)
        return ChangeResult(receipt, StopReason.UNREACHABLE if answer.is_html else None)
    reason = said.reason if said.document else said.unusable
    return ChangeResult(
        Receipt(change.seq, ReceiptKind.AMBIGUOUS, code="server-error", reason=reason), retry_after_s=said.retry_after_s
    )


def refused(change: Change, said: ParsedAnswer, why: str = "") -> Receipt:
    """Refused for good."""
    reason = f"{said.reason}; {why}" if why else said.reason
    return Receipt(change.seq, ReceiptKind.REFUSED, code=said.code, reason=reason)


def absent(change: Change, said: ParsedAnswer) -> Receipt:
    """Not found: what was written a moment ago may not be seen everywhere yet, so it is tried again, ever more seldom."""
    due_s = min(2.0**change.attempts, _LONGEST_ABSENT_S)
    return Receipt(change.seq, ReceiptKind.LATER, code=said.code, reason=said.reason, due_s=due_s, most=MOST_ABSENT)


def lookup_failed(change: Change, exc: RemoteError) -> ChangeResult | None:
    """What follows from a record that could not be looked at for now; None where it may never be."""
    if isinstance(exc, AccessRefused):
        return ChangeResult(
            Receipt(change.seq, ReceiptKind.LATER, code="access-refused", reason=exc.sentence), StopReason.ACCESS
        )
    if not isinstance(exc, Unreachable):
        return None
    halt = None if exc.connected else StopReason.UNREACHABLE
    return ChangeResult(Receipt(change.seq, ReceiptKind.LATER, code="unread", reason=exc.sentence), halt, exc.retry_after_s)


def no_access(status: int) -> AccessRefused:
    """The error for 401 and 403."""
    return AccessRefused(f"Prefactor refused the token (HTTP {status})", hint="check PREFACTOR_API_TOKEN")


def read_failed(said: ParsedAnswer, answer: Answer) -> RemoteError:
    """The error for a question that was not answered."""
    if said.kind is AnswerKind.ACCESS:
        return no_access(said.status)
    if said.kind in (AnswerKind.THROTTLED, AnswerKind.UNKNOWN, AnswerKind.WRONG_PLACE):
        lost = Unreachable(said.unusable, hint="check PREFACTOR_API_URL, then try again")
        again = said.kind is not AnswerKind.WRONG_PLACE and not answer.is_html
        return lost.having(connected=again, retry_after_s=said.retry_after_s)
    return RemoteRefused("Prefactor would not answer", why=said.reason)


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        found = decoded(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


_MOST_MS = responses.LONGEST_S * 1000


def _milliseconds(document: Mapping[str, Any] | None) -> float | None:
    found = (document or {}).get("retry_after_ms")
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        return None
    return responses.believable_s(min(found, _MOST_MS) / 1000)
