"""Reading the fields of a request: every mistake is collected, then told at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from syncer import clock
from syncer.sandbox.documents import Document
from syncer.sandbox.prefactor import pfid
from syncer.sandbox.prefactor.problems import invalid

BLANK = "can't be blank"
TAKEN = "has already been taken"


class Fields:
    """The fields of ``given``. Null counts as absent; fields nobody asks for are ignored, as the service does."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.errors: dict[str, Any] = {}

    def wrong(self, name: str, message: str) -> None:
        """One more mistake."""
        self.errors.setdefault(name, []).append(message)

    def check(self) -> None:
        """Raises: Problem when there was a mistake."""
        if self.errors:
            raise invalid(self.errors)

    def text(self, name: str, *, required: bool = False, choices: Collection[str] = ()) -> str | None:
        """A text that is not empty."""
        value = self._value(name, required)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "is not a string")
        elif not value:
            self.wrong(name, BLANK)
        elif choices and value not in choices:
            self.wrong(name, f"must be one of {', '.join(choices)}")
        else:
            return value
        return None

    def mapping(self, name: str, *, required: bool = False) -> Document | None:
        """A JSON object."""
        value = self._value(name, required)
        if value is None or isinstance(value, dict):
            return value
        self.wrong(name, "is not an object")
        return None

    def listed(self, name: str) -> list[Any] | None:
        """A JSON list."""
        value = self._value(name, required=False)
        if value is None or isinstance(value, list):
            return value
        self.wrong(name, "is not a list")
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self._value(name, required=False)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.wrong(name, "is not a boolean")
        return default

    def moment(self, name: str) -> str | None:
        """An ISO 8601 time, in stored form; without an offset it is taken as UTC."""
        value = self._value(name, required=False)
        if value is None:
            return None
        try:
            return clock.stored(clock.parsed(value))
        except (TypeError, ValueError, OverflowError):
            self.wrong(name, "is not a time")
            return None

    def own_id(self, name: str = "id") -> str | None:
        """An id that the client made: a PFID of this account."""
        value = self.text(name)
        if value is None:
            return None
        if not pfid.is_pfid(value):
            self.wrong(name, "is not a PFID")
        elif pfid.partition(value) != pfid.PARTITION:
            self.wrong(name, "has the partition of another account")
        else:
            return value
        return None

    def _value(self, name: str, required: bool) -> Any:
        value = self._given.get(name)
        if value is None and required:
            self.wrong(name, BLANK)
        return value
