"""What Prefactor refuses, in its words.

Which code goes with what is the sandbox's choice among the known codes, except
``idempotency_key_reused``, which is its own.

Source: docs/remotes/prefactor.md#errors
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer.sandbox.documents import Document, encoded
from syncer.sandbox.faults import Refusal


class Problem(Exception):
    """A refusal; nothing was applied. ``control`` is told along with it where the instance was terminated."""

    def __init__(self, status: int, code: str, message: str, errors: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.control: Document | None = None

    @property
    def document(self) -> Document:
        """The body."""
        body: Document = {"status": "error", "code": self.code, "message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        if self.control is not None:
            body["control"] = self.control
        return body


def bad_request(message: str) -> Problem:
    """Not even the form is right."""
    return Problem(400, "bad_request", message)


def unauthorized() -> Problem:
    """No token, a wrong one, or one that may not do this."""
    return Problem(401, "unauthorized", "The token is missing, invalid, or not allowed to do this")


def not_found(what: str) -> Problem:
    """No such route or record."""
    return Problem(404, "not_found", f"{what} not found")


def invalid(errors: Mapping[str, Any]) -> Problem:
    """Fields that do not fit: ``{field: [text, ...]}``."""
    return Problem(422, "validation_errors", "Validation failed", errors)


def invalid_action(message: str) -> Problem:
    """The record's status does not allow it."""
    return Problem(409, "invalid_action", message)


def key_reused(key: str) -> Problem:
    """An idempotency key that came before, with another body."""
    return Problem(409, "idempotency_key_reused", f"The idempotency key {key!r} was used for another request")


def words(refusal: Refusal) -> bytes:
    """A refusal of the gate as Prefactor says it; ``retry_after_ms`` where there is a ``Retry-After``."""
    body: Document = {"status": "error", "code": _snake(refusal.kind), "message": refusal.message}
    after = refusal.headers.get("Retry-After", "")
    if after.isdigit():
        body["retry_after_ms"] = int(after) * 1000
    return encoded(body).encode()


def _snake(kind: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.removesuffix("Exception")).removeprefix("_")
