"""What goes wrong in a resolver, in AppSync's words.

Source: docs/remotes/plexus.md#errors
"""

from __future__ import annotations

from typing import Any

_SERVICE = "(Service: DynamoDb, Status Code: 400, Request ID: {request})"
REQUEST_MARK = "{request}"
"""Stands for the request id in a message until the answer is written."""


class Problem(Exception):
    """One field's failure; its alias becomes null, its siblings go on. ``kind`` is the ``errorType``."""

    def __init__(self, kind: str | None, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message

    def entry(self, path: list[str | int], location: dict[str, Any], request: str) -> dict[str, Any]:
        """The failure as an element of ``errors``."""
        return {
            "path": path,
            "data": None,
            "errorType": self.kind,
            "errorInfo": None,
            "locations": [location],
            "message": self.message.replace(REQUEST_MARK, request),
        }


def condition_failed() -> Problem:
    """The key exists (create), does not exist (update), or the condition does not hold."""
    return Problem("DynamoDB:ConditionalCheckFailedException", f"The conditional request failed {_SERVICE}")


def refused_by_dynamo(message: str) -> Problem:
    """DynamoDB's own validation."""
    return Problem("DynamoDB:DynamoDbException", f"{message} {_SERVICE}")


def throttled() -> Problem:
    """The table's capacity is used up; nothing was applied."""
    return Problem(
        "DynamoDB:ThrottlingException",
        f"Throughput exceeds the current capacity of your table or index. {_SERVICE}",
    )


def missing_part(verb: str, index: str, field: str) -> Problem:
    """A write that touches a composite sort key but does not carry all of it."""
    doing = verb.removesuffix("e") + "ing"
    return Problem(
        None,
        f"When {doing} any part of the composite sort key for @index '{index}', you must provide all fields for the "
        f"key. Missing key: '{field}'.",
    )


def unauthorized(field: str, parent: str) -> Problem:
    """A model that the caller's kind of credentials may not use."""
    return Problem("Unauthorized", f"Not Authorized to access {field} on type {parent}")


def invalid_arguments(message: str) -> Problem:
    """Arguments that the resolver cannot work with."""
    return Problem("InvalidArgumentsError", message)


def bad_token() -> Problem:
    """A nextToken that this query did not give out."""
    return refused_by_dynamo("Invalid pagination token given.")


def null_entry(type_name: str, parent: str, path: list[str | int]) -> dict[str, Any]:
    """The element of ``errors`` for a stored null where the schema promises a value."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in path)
    message = f"Cannot return null for non-nullable type: '{type_name}' within parent '{parent}' ({where})"
    return {"path": path, "locations": None, "message": message}
