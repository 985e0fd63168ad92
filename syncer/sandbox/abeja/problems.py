"""What ABEJA refuses, in its words.

Source: docs/remotes/abeja.md#errors
"""

from __future__ import annotations

from typing import Any

from syncer.sandbox.documents import Document, encoded
from syncer.sandbox.faults import Refusal


class Problem(Exception):
    """A refusal; nothing was applied."""

    def __init__(self, status: int, error: str, description: str, detail: Any = None) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.detail = detail

    @property
    def document(self) -> Document:
        """The body."""
        body: Document = {"error": self.error, "error_description": self.description}
        return body if self.detail is None else body | {"error_detail": self.detail}


def bad_request(description: str, *detail: Document) -> Problem:
    """Parameters that do not fit; ``detail`` names each."""
    return Problem(400, "bad_request", description, list(detail) or None)


def wrong_field(name: str, message: str) -> Problem:
    """One parameter that does not fit."""
    return bad_request("validation error", {"field": name, "message": message})


def unauthorized() -> Problem:
    """No credentials, or wrong ones."""
    return Problem(401, "unauthorized", "authentication failed")


def forbidden() -> Problem:
    """Another organization's."""
    return Problem(403, "forbidden", "not allowed to access this organization")


def not_found(what: str) -> Problem:
    """No such path or record."""
    return Problem(404, "not_found", f"{what} not found")


def method_not_allowed() -> Problem:
    """A path that answers other methods."""
    return Problem(405, "method_not_allowed", "the method is not allowed for the requested URL")


def words(refusal: Refusal) -> bytes:
    """A refusal of the gate as ABEJA says it."""
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in refusal.kind.removesuffix("Exception"))
    return encoded(Problem(refusal.status, name.removeprefix("_"), refusal.message).document).encode()
