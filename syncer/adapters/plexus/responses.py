"""What Plexus's answers mean for the changes that were sent. Pure.

Source: docs/remotes/plexus.md#answers
Source: docs/remotes/plexus.md#errors
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from syncer.errors import AccessRefused, RemoteError, RemoteRefused, Unreachable
from syncer.http import responses
from syncer.http.graphql import ErrorKind, GraphError
from syncer.http.responses import StatusClass
from syncer.http.session import Answer
from syncer.remote import Change, PushResult, Receipt, ReceiptKind, StopReason
from syncer.schema.model import Model


def all_alike(
    changes: Sequence[Change],
    kind: ReceiptKind,
    code: str,
    reason: str,
    *,
    divisible: bool = False,
    halt: StopReason | None = None,
    retry_after_s: float | None = None,
    elapsed_s: float = 0.0,
) -> PushResult:
    """One outcome for every change of a request."""
    receipts = tuple(Receipt(c.seq, kind, code=code, reason=reason) for c in changes)
    return PushResult(receipts, divisible, halt, retry_after_s, reason, elapsed_s)


def refused_status(changes: Sequence[Change], answer: Answer) -> PushResult | None:
    """The reply for an HTTP status that is no answer; None for one that is."""
    judged = responses.status_class(answer.status)
    if judged is StatusClass.ANSWERED:
        return None
    wait_s, reason, took_s = responses.retry_after_s(answer.headers), f"HTTP {answer.status}", answer.elapsed_s
    if judged is StatusClass.ACCESS:
        return all_alike(
            changes, ReceiptKind.LATER, "access-refused", no_access(answer.status).sentence, halt=StopReason.ACCESS
        )
    if judged is StatusClass.THROTTLED:
        return all_alike(
            changes,
            ReceiptKind.LATER,
            "throttled",
            reason,
            halt=StopReason.THROTTLED,
            retry_after_s=wait_s,
            elapsed_s=took_s,
        )
    if judged is StatusClass.WRONG_PLACE:
        return all_alike(changes, ReceiptKind.LATER, "wrong-address", unusable_answer(answer), halt=StopReason.UNREACHABLE)
    if judged in (StatusClass.TOO_LARGE, StatusClass.MALFORMED):
        return all_alike(changes, ReceiptKind.REFUSED, "malformed", reason, divisible=len(changes) > 1, elapsed_s=took_s)
    return all_alike(changes, ReceiptKind.AMBIGUOUS, "server-error", reason, retry_after_s=wait_s, elapsed_s=took_s)


def unreadable(changes: Sequence[Change], answer: Answer) -> PushResult:
    """The reply for an answer that is no GraphQL: it may have been cut off after everything was applied."""
    halt = StopReason.UNREACHABLE if answer.is_html else None
    return all_alike(
        changes, ReceiptKind.AMBIGUOUS, "unreadable", unusable_answer(answer), halt=halt, elapsed_s=answer.elapsed_s
    )


def unusable_answer(answer: Answer) -> str:
    """What such an answer looks like, for people."""
    if answer.is_html:
        return f"the address answered with a web page instead of data (HTTP {answer.status})"
    return f"the address gave no usable answer (HTTP {answer.status})"


def no_access(status: int) -> AccessRefused:
    """The error for 401 and 403."""
    return AccessRefused(f"Plexus refused the credentials (HTTP {status})", hint="check PLEXUS_API_KEY")


def rejected(changes: Sequence[Change], error: GraphError, answer: Answer) -> PushResult:
    """The reply for a document that was turned down as a whole, nothing of it having run unless it ran out of time."""
    kind = {ErrorKind.THROTTLED: ReceiptKind.LATER, ErrorKind.UNKNOWN: ReceiptKind.AMBIGUOUS}.get(
        error.error_kind, ReceiptKind.REFUSED
    )
    final = kind is ReceiptKind.REFUSED
    return all_alike(
        changes,
        kind,
        "validation" if final else error.error_kind.value,
        error.message,
        divisible=final and len(changes) > 1,
        halt=StopReason.THROTTLED if kind is ReceiptKind.LATER else None,
        retry_after_s=None if final else responses.retry_after_s(answer.headers),
        elapsed_s=answer.elapsed_s,
    )


def read_failed(changes: Sequence[Change], exc: RemoteError) -> PushResult:
    """The reply for changes whose precondition failed, and whose records could not be looked at then."""
    halt, wait_s = None, None
    if isinstance(exc, AccessRefused):
        halt = StopReason.ACCESS
    elif isinstance(exc, Unreachable):
        wait_s = exc.retry_after_s
        halt = None if exc.connected else StopReason.UNREACHABLE
    return all_alike(changes, ReceiptKind.AMBIGUOUS, "unread", exc.sentence, halt=halt, retry_after_s=wait_s)


def another(model: Model, key: str) -> RemoteError:
    """The error for an answer that tells of a record nobody asked for: to be asked again."""
    mixed = Unreachable(f"Plexus showed another {model.name} than was asked for", record=key, hint="try again later")
    return mixed.having(connected=True)


def failed(change: Change, error: GraphError) -> Receipt:
    """The receipt of one change whose alias failed."""
    kind = {ErrorKind.THROTTLED: ReceiptKind.LATER, ErrorKind.UNKNOWN: ReceiptKind.AMBIGUOUS}.get(
        error.error_kind, ReceiptKind.REFUSED
    )
    return Receipt(change.seq, kind, code=error.kind or error.error_kind.value, reason=error.message)


def undeployed(message: str, changes: Sequence[Change]) -> set[str]:
    """Legacy models among ``changes`` that ``message`` says the schema lacks."""
    legacy = {c.model.name for c in changes if c.model.legacy}
    return {name for name in legacy if re.search(rf"(create|update|delete){name}(Input)?\b", message, re.IGNORECASE)}


_UNDESCRIBED = re.compile(
    r"FieldUndefined|UnknownType|Unknown type|not defined for input object type|SubSelectionRequired", re.IGNORECASE
)


def undescribed(error: GraphError) -> bool:
    """True for a refusal that tells of a schema other than the one described; nothing ran."""
    return error.error_kind is ErrorKind.REFUSED and _UNDESCRIBED.search(error.message) is not None


def unpageable(model: Model, error: GraphError) -> RemoteError:
    """The error for a page that was not given."""
    if error.error_kind in (ErrorKind.THROTTLED, ErrorKind.UNKNOWN):
        busy = Unreachable(f"Plexus could not list {model.name} now", why=error.message, hint="try again later")
        return busy.having(connected=True)
    return RemoteRefused(f"Plexus would not list {model.name}", why=error.message)
