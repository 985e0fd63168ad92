"""The statuses, strict for what is sent and lenient for what is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

AgentStatus = Literal["pending", "active", "complete", "failed", "cancelled"]
"""What an instance or span can be in."""

FinishStatus = Literal["complete", "failed", "cancelled"]
"""What an instance or span can end in."""

KEEP_UNKNOWN = ConfigDict(extra="allow")
"""For models that must not lose fields which they do not declare."""


def _any_text(status: Any, known: ValidatorFunctionWrapHandler) -> Any:
    return status if isinstance(status, str) else known(status)


ReadStatus = Annotated[AgentStatus, WrapValidator(_any_text), PlainSerializer(str, return_type=str)]
"""A status as read: the known ones for type checkers, any text in fact."""

ReadPayload = Annotated[dict[str, Any], BeforeValidator(lambda payload: {} if payload is None else payload)]
"""A payload as read: null is an empty one."""


def filled(given: Any, names: tuple[str, ...], value: Any) -> Any:
    """``given`` with ``value`` for every one of ``names`` that is missing or null."""
    if not isinstance(given, Mapping):
        return given
    return {**given, **{name: value for name in names if given.get(name) is None}}
