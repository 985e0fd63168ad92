"""What Plexus's answers mean for the changes that were sent. Pure.

Source: docs/remotes/plexus.md#answers
Source: docs/remotes/plexus.md#errors
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from syncer.errors import AccessRefused, RemoteError, RemoteRefused, Unreachable
from syncer.http import responses
from syncer.http.graphql import GraphError, Meaning
from syncer.http.responses import Verdict
from syncer.http.session import Answer
from syncer.remote import Change, Halt, Outcome, Receipt, Reply
from syncer.schema.model import Model


def all_alike(
    changes: Sequence[Change],
    outcome: Outcome,
    code: str,
    reason: str,
    *,
    divisible: bool = False,
    halt: Halt | None = None,
    retry_after_s: float | None = None,
    elapsed_s: float = 0.0,
) -> Reply:
    """One outcome for every change of a request."""
    receipts = tuple(Receipt(c.seq, outcome, code=code, reason=reason) for c in changes)
    return Reply(receipts, divisible, halt, retry_after_s, reason, elapsed_s)


def refused_status(changes: Sequence[Change], answer: Answer) -> Reply | None:
    """The reply for an HTTP status that is no answer; None for one that is."""
    judged = responses.verdict(answer.status)
    if judged is Verdict.ANSWERED:
        return None
    wait_s, reason, took_s = responses.retry_after_s(answer.headers), f"HTTP {answer.status}", answer.elapsed_s
    if judged is Verdict.ACCESS:
        return all_alike(changes, Outcome.LATER, "access-refused", no_access(answer.status).sentence, halt=Halt.ACCESS)
    if judged is Verdict.THROTTLED:
        return all_alike(
            changes, Outcome.LATER, "throttled", reason, halt=Halt.THROTTLED, retry_after_s=wait_s, elapsed_s=took_s
        )
    if judged is Verdict.WRONG_PLACE:
        return all_alike(changes, Outcome.LATER, "wrong-address", strange(answer), halt=Halt.UNREACHABLE)
    if judged in (Verdict.TOO_LARGE, Verdict.MALFORMED):
        return all_alike(changes, Outcome.REFUSED, "malformed", reason, divisible=len(changes) > 1, elapsed_s=took_s)
    return all_alike(changes, Outcome.AMBIGUOUS, "server-error", reason, retry_after_s=wait_s, elapsed_s=took_s)


def unreadable(changes: Sequence[Change], answer: Answer) -> Reply:
    """The reply for an answer that is no GraphQL: it may have been cut off after everything was applied."""
    halt = Halt.UNREACHABLE if answer.is_html else None
    return all_alike(changes, Outcome.AMBIGUOUS, "unreadable", strange(answer), halt=halt, elapsed_s=answer.elapsed_s)


def strange(answer: Answer) -> str:
    """What such an answer looks like, for people."""
    if answer.is_html:
        return f"the address answered with a web page instead of data (HTTP {answer.status})"
    return f"the address gave no usable answer (HTTP {answer.status})"


def no_access(status: int) -> AccessRefused:
    """The error for 401 and 403."""
    return AccessRefused(f"Plexus refused the credentials (HTTP {status})", hint="check PLEXUS_API_KEY")


def rejected(changes: Sequence[Change], error: GraphError, answer: Answer) -> Reply:
    """The reply for a document that was turned down as a whole, nothing of it having run unless it ran out of time."""
    outcome = {Meaning.THROTTLED: Outcome.LATER, Meaning.UNKNOWN: Outcome.AMBIGUOUS}.get(error.meaning, Outcome.REFUSED)
    final = outcome is Outcome.REFUSED
    return all_alike(
        changes,
        outcome,
        "validation" if final else error.meaning.value,
        error.message,
        divisible=final and len(changes) > 1,
        halt=Halt.THROTTLED if outcome is Outcome.LATER else None,
        retry_after_s=None if final else responses.retry_after_s(answer.headers),
        elapsed_s=answer.elapsed_s,
    )


def unread(changes: Sequence[Change], exc: RemoteError) -> Reply:
    """The reply for changes whose precondition failed, and whose records could not be looked at then."""
    halt, wait_s = None, None
    if isinstance(exc, AccessRefused):
        halt = Halt.ACCESS
    elif isinstance(exc, Unreachable):
        wait_s = exc.retry_after_s
        halt = None if exc.connected else Halt.UNREACHABLE
    return all_alike(changes, Outcome.AMBIGUOUS, "unread", exc.sentence, halt=halt, retry_after_s=wait_s)


def another(model: Model, key: str) -> RemoteError:
    """The error for an answer that tells of a record nobody asked for: to be asked again."""
    mixed = Unreachable(f"Plexus showed another {model.name} than was asked for", record=key, hint="try again later")
    return mixed.having(connected=True)


def failed(change: Change, error: GraphError) -> Receipt:
    """The receipt of one change whose alias failed."""
    outcome = {Meaning.THROTTLED: Outcome.LATER, Meaning.UNKNOWN: Outcome.AMBIGUOUS}.get(error.meaning, Outcome.REFUSED)
    return Receipt(change.seq, outcome, code=error.kind or error.meaning.value, reason=error.message)


def undeployed(message: str, changes: Sequence[Change]) -> set[str]:
    """Legacy models among ``changes`` that ``message`` says the schema lacks."""
    legacy = {c.model.name for c in changes if c.model.legacy}
    return {name for name in legacy if re.search(rf"(create|update|delete){name}(Input)?\b", message, re.IGNORECASE)}


_UNDESCRIBED = re.compile(
    r"FieldUndefined|UnknownType|Unknown type|not defined for input object type|SubSelectionRequired", re.IGNORECASE
)


def undescribed(error: GraphError) -> bool:
    """True for a refusal that tells of a schema other than the one described; nothing ran."""
    return error.meaning is Meaning.REFUSED and _UNDESCRIBED.search(error.message) is not None


def unpageable(model: Model, error: GraphError) -> RemoteError:
    """The error for a page that was not given."""
    if error.meaning in (Meaning.THROTTLED, Meaning.UNKNOWN):
        busy = Unreachable(f"Plexus could not list {model.name} now", why=error.message, hint="try again later")
        return busy.having(connected=True)
    return RemoteRefused(f"Plexus would not list {model.name}", why=error.message)
