"""What ABEJA's answers mean for the create that was sent, and how a refusal is kept. Pure.

A refusal goes through the outbox as a code (its class name) and one line of JSON. What waits
outlives the process that sent it, and the caller who asks for the run's outcome gets the exception
back.

Source: docs/remotes/abeja.md#errors
Source: docs/remotes/abeja.md#idempotency
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncer.adapters.abeja import codec
from syncer.adapters.abeja.codec import Record
from syncer.adapters.abeja.exceptions import BY_STATUS, BadRequest, HttpError, from_response
from syncer.errors import AccessRefused, RemoteError, Unreachable
from syncer.http import responses
from syncer.http.responses import StatusClass, decoded
from syncer.http.session import Answer
from syncer.remote import Change, PushResult, Receipt, ReceiptKind, StopReason
from syncer.schema.values import dumps

_HINT = "check ABEJA_API_URL and the network"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a create may or may not have been applied. ``retry_after_s``: the platform asked to be left alone so long."""

    code: str
    reason: str
    retry_after_s: float | None = None
    elapsed_s: float = 0.0


def one(
    change: Change,
    kind: ReceiptKind,
    code: str,
    reason: str,
    *,
    halt: StopReason | None = None,
    retry_after_s: float | None = None,
    due_s: float | None = None,
    elapsed_s: float = 0.0,
) -> PushResult:
    """A reply about one change."""
    receipt = Receipt(change.seq, kind, code=code, reason=reason, due_s=due_s)
    return PushResult((receipt,), False, halt, retry_after_s, reason, elapsed_s)


def document(answer: Answer) -> dict[str, Any] | None:
    """The JSON object of an answer; None when it is none."""
    try:
        found = decoded(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def run_of(answer: Answer) -> Record | None:
    """The run that a create was answered with; None when it was not answered with one."""
    found = document(answer) if responses.status_class(answer.status) is StatusClass.ANSWERED else None
    return found if found is not None and isinstance(found.get("run_id"), str) and found["run_id"] else None


def made(change: Change, run: Record, elapsed_s: float) -> PushResult:
    """The run was made, and said so."""
    return PushResult((Receipt(change.seq, ReceiptKind.ACKED, codec.stored(run), key=run["run_id"]),), elapsed_s=elapsed_s)


def adopted(change: Change, runs: Sequence[Record]) -> PushResult:
    """A run with the change's marker was found, ``runs`` being all there are, oldest first."""
    kept, *others = runs
    why = f"found as {kept['run_id']} after its answer was lost"
    notes: tuple[str, ...] = ()
    if others:
        named = ", ".join(str(run["run_id"]) for run in others)
        why += f"; made again by the same request: {named}"
        notes = (f"Run {kept['run_id']} was made more than once by one request: remove {named} on the platform",)
    receipt = Receipt(change.seq, ReceiptKind.ACKED, codec.stored(kept), reason=why, key=kept["run_id"])
    return PushResult((receipt,), notes=notes)


def doubt(answer: Answer) -> Doubt | None:
    """Why the request with this answer may have made a run; None when it surely made none."""
    judged = responses.status_class(answer.status)
    if judged is StatusClass.ANSWERED:
        why = unusable_answer(answer) if run_of(answer) is None else "answered with a run that another create has made"
        return Doubt("unreadable", why, elapsed_s=answer.elapsed_s)
    if judged is StatusClass.UNKNOWN:
        return Doubt("server-error", said(answer), responses.retry_after_s(answer.headers), answer.elapsed_s)
    return None


def not_made(change: Change, answer: Answer, url: str) -> PushResult:
    """The reply for an answer that says that no run was made."""
    judged, wait_s, took_s = responses.status_class(answer.status), responses.retry_after_s(answer.headers), answer.elapsed_s
    if judged is StatusClass.ACCESS:
        return one(change, ReceiptKind.LATER, "access-refused", no_access(answer).sentence, halt=StopReason.ACCESS)
    if judged in (StatusClass.THROTTLED, StatusClass.TOO_LARGE):
        # A size that is refused may be that of this run alone: the others need not wait with it.
        halt = StopReason.THROTTLED if judged is StatusClass.THROTTLED or wait_s else None
        return one(change, ReceiptKind.LATER, "throttled", said(answer), halt=halt, retry_after_s=wait_s, elapsed_s=took_s)
    if answer.status < 400 or answer.is_html:
        return one(change, ReceiptKind.LATER, "wrong-address", unusable_answer(answer), halt=StopReason.UNREACHABLE)
    return refused(change, from_response(answer.status, "", answer.body, url), took_s)


def refused(change: Change, error: HttpError, elapsed_s: float = 0.0) -> PushResult:
    """The platform will never take this."""
    code, reason = written(error)
    return one(change, ReceiptKind.REFUSED, code, reason, elapsed_s=elapsed_s)


def unmarkable(change: Change) -> PushResult:
    """The reply for a run that is never sent: without the marker a lost answer could double it."""
    return refused(change, BadRequest("bad_request", "environment must be an object of texts", status_code=400))


def no_such_way(change: Change) -> PushResult:
    """The reply for what the platform has no call for."""
    reason = f"ABEJA has no way to {change.op} a {change.model.name}; drop the change: syncer outbox drop {change.seq}"
    return one(change, ReceiptKind.REFUSED, "not-supported", reason)


def unseen(change: Change, exc: RemoteError, before: Doubt | None) -> PushResult:
    """The reply when it could not be looked up whether a run was made; ``before``: the doubt of an attempt just made."""
    halt, wait_s = None, None
    if isinstance(exc, AccessRefused):
        halt = StopReason.ACCESS
    elif isinstance(exc, Unreachable):
        wait_s = exc.retry_after_s
        halt = StopReason.THROTTLED if wait_s else None if exc.connected else StopReason.UNREACHABLE
    else:
        return unknown(change, f"its deployment's runs cannot be listed: {exc.sentence}")
    if before is None:
        return one(change, ReceiptKind.LATER, exc.code, exc.sentence, halt=halt, retry_after_s=wait_s)
    reason = f"{before.reason}; then, looking for its run: {exc.sentence}"
    took_s = before.elapsed_s
    return one(change, ReceiptKind.AMBIGUOUS, before.code, reason, halt=halt, retry_after_s=wait_s, elapsed_s=took_s)


def unknown(change: Change, reason: str) -> PushResult:
    """Only a person can tell what became of the create."""
    advice = "look for the run on the platform; retry sends it again, drop forgets it"
    return one(change, ReceiptKind.REFUSED, UNKNOWN_OUTCOME, f"{reason}; {advice}")


def no_access(answer: Answer) -> AccessRefused:
    """The error for 401 and 403."""
    hint = "check PLATFORM_AUTH_TOKEN, or the user's or datasource's credentials, and ABEJA_ORGANIZATION_ID"
    return AccessRefused("ABEJA refused the credentials", why=said(answer), hint=hint)


def unusable(answer: Answer) -> Unreachable:
    """The error for an answer to a question that cannot be worked with."""
    judged = responses.status_class(answer.status)
    again = judged in (StatusClass.UNKNOWN, StatusClass.THROTTLED, StatusClass.TOO_LARGE)
    again = again or (judged is StatusClass.ANSWERED and not answer.is_html)
    error = Unreachable("ABEJA gives no usable answer", why=said(answer) if again else unusable_answer(answer), hint=_HINT)
    return error.having(connected=again, retry_after_s=responses.retry_after_s(answer.headers))


def unreachable(exc: Exception, *, connected: bool) -> Unreachable:
    """The error for a question without an answer."""
    return Unreachable("ABEJA cannot be reached", why=str(exc), hint=_HINT).having(connected=connected)


def said(answer: Answer) -> str:
    """Status and words of a refusal, for people."""
    found = from_response(answer.status, "", answer.body[:2000], "") if not answer.is_html else None
    words = f": {found.error}: {found.error_description}"[:300] if found is not None and answer.status >= 400 else ""
    return f"HTTP {answer.status}{words}"


def unusable_answer(answer: Answer) -> str:
    """What an answer looks like that is none of ABEJA's, for people."""
    if answer.is_html:
        return f"the address answered with a web page instead of data (HTTP {answer.status})"
    return f"the address gave no usable answer (HTTP {answer.status})"


UNKNOWN_OUTCOME = "unknown-outcome"
"""Code of a create of which nobody can tell whether it was applied."""

_ROOM = 1800  # the outbox keeps 2,000 characters
_CLASSES: tuple[type[HttpError], ...] = (HttpError, *BY_STATUS.values())
_KINDS = {kind.__name__: kind for kind in _CLASSES}


def written(error: HttpError) -> tuple[str, str]:
    """Code and reason for the outbox; what is too long loses its detail, then its end."""
    said = error._asdict()
    if len(dumps(said)) > _ROOM:
        said.pop("error_detail", None)
    if (excess := len(dumps(said)) - _ROOM) > 0:
        description = str(said["error_description"])
        said["error_description"] = description[: max(0, len(description) - excess)]
        said["error"] = str(said["error"])[:200]
    return type(error).__name__, dumps(said)


def read(code: str | None, reason: str | None) -> HttpError | None:
    """The exception that was written, None when what is there tells of something else."""
    kind = _KINDS.get(code or "")
    if kind is None:
        return None
    try:
        said: Any = json.loads(reason or "")
        return kind(**said)
    except (ValueError, TypeError):
        return kind(code or "", reason or "")
