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
from syncer.http.responses import Verdict, decoded
from syncer.http.session import Answer
from syncer.remote import Change, Halt, Outcome, Receipt

MOST_ABSENT = 8
"""So many attempts that end with "not found" make it final."""

_LONGEST_ABSENT_S = 300.0


class Meaning(Enum):
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
class Said:
    """An answer, read. ``document`` is None when it is no JSON object."""

    meaning: Meaning
    status: int
    document: Mapping[str, Any] | None
    retry_after_s: float | None
    strange: str

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


def read(answer: Answer) -> Said:
    """An answer of the API, or of whatever stands at its address."""
    document = _object(answer.body)
    waits = [responses.retry_after_s(answer.headers), _milliseconds(document)]
    retry_after_s = max((w for w in waits if w is not None), default=None)
    return Said(_meaning(answer, document), answer.status, document, retry_after_s, _strange(answer))


def _meaning(answer: Answer, document: Mapping[str, Any] | None) -> Meaning:
    judged = responses.verdict(answer.status)
    if judged is Verdict.ANSWERED and document is not None:
        return Meaning.DONE
    if judged in _PLAIN:
        return _PLAIN[judged]
    ours = document is not None and "code" in document and answer.status >= 400
    if judged is Verdict.WRONG_PLACE and not ours:
        return Meaning.WRONG_PLACE
    return {404: Meaning.ABSENT, 409: Meaning.CLASHES, 422: Meaning.CLASHES}.get(answer.status, Meaning.REFUSED)


_PLAIN = {
    Verdict.ANSWERED: Meaning.UNKNOWN,
    Verdict.ACCESS: Meaning.ACCESS,
    Verdict.THROTTLED: Meaning.THROTTLED,
    Verdict.UNKNOWN: Meaning.UNKNOWN,
}


def _strange(answer: Answer) -> str:
    if answer.is_html:
        return f"the address answered with a web page instead of data (HTTP {answer.status})"
    return f"the address gave no usable answer (HTTP {answer.status})"


@dataclass(frozen=True, slots=True)
class Told:
    """The receipt of one change, and what it means for those behind it."""

    receipt: Receipt
    halt: Halt | None = None
    retry_after_s: float | None = None

    @property
    def stops(self) -> bool:
        """True when nothing more should be sent now."""
        return self.halt is not None or self.retry_after_s is not None


def not_done(change: Change, said: Said, answer: Answer) -> Told:
    """What an answer means that neither did it nor calls for a look at the record."""
    if said.meaning is Meaning.ACCESS:
        text = no_access(said.status).sentence
        return Told(Receipt(change.seq, Outcome.LATER, code="access-refused", reason=text), Halt.ACCESS)
    if said.meaning is Meaning.THROTTLED:
        receipt = Receipt(change.seq, Outcome.LATER, code="throttled", reason=said.reason)
        return Told(receipt, Halt.THROTTLED, said.retry_after_s)
    if said.meaning is Meaning.WRONG_PLACE:
        receipt = Receipt(change.seq, Outcome.LATER, code="wrong-address", reason=said.strange)
        return Told(receipt, Halt.UNREACHABLE)
    if said.meaning is Meaning.ABSENT:
        return Told(absent(change, said))
    if said.meaning is not Meaning.UNKNOWN:
        return Told(refused(change, said))
    if responses.verdict(said.status) is Verdict.ANSWERED:
        receipt = Receipt(change.seq, Outcome.AMBIGUOUS, code="unreadable", reason=said.strange)
        return Told(receipt, Halt.UNREACHABLE if answer.is_html else None)
    reason = said.reason if said.document else said.strange
    return Told(Receipt(change.seq, Outcome.AMBIGUOUS, code="server-error", reason=reason), retry_after_s=said.retry_after_s)


def refused(change: Change, said: Said, why: str = "") -> Receipt:
    """Refused for good."""
    reason = f"{said.reason}; {why}" if why else said.reason
    return Receipt(change.seq, Outcome.REFUSED, code=said.code, reason=reason)


def absent(change: Change, said: Said) -> Receipt:
    """Not found: what was written a moment ago may not be seen everywhere yet, so it is tried again, ever more seldom."""
    due_s = min(2.0**change.attempts, _LONGEST_ABSENT_S)
    return Receipt(change.seq, Outcome.LATER, code=said.code, reason=said.reason, due_s=due_s, most=MOST_ABSENT)


def unlooked(change: Change, exc: RemoteError) -> Told | None:
    """What follows from a record that could not be looked at for now; None where it may never be."""
    if isinstance(exc, AccessRefused):
        return Told(Receipt(change.seq, Outcome.LATER, code="access-refused", reason=exc.sentence), Halt.ACCESS)
    if not isinstance(exc, Unreachable):
        return None
    halt = None if exc.connected else Halt.UNREACHABLE
    return Told(Receipt(change.seq, Outcome.LATER, code="unread", reason=exc.sentence), halt, exc.retry_after_s)


def no_access(status: int) -> AccessRefused:
    """The error for 401 and 403."""
    return AccessRefused(f"Prefactor refused the token (HTTP {status})", hint="check PREFACTOR_API_TOKEN")


def unread(said: Said, answer: Answer) -> RemoteError:
    """The error for a question that was not answered."""
    if said.meaning is Meaning.ACCESS:
        return no_access(said.status)
    if said.meaning in (Meaning.THROTTLED, Meaning.UNKNOWN, Meaning.WRONG_PLACE):
        lost = Unreachable(said.strange, hint="check PREFACTOR_API_URL, then try again")
        again = said.meaning is not Meaning.WRONG_PLACE and not answer.is_html
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
