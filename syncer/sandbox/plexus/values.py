"""AppSync's scalars: what each accepts as input, and how a refusal is worded."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

from syncer.sandbox.plexus.tables import decoded, encoded

INT_MAX = 2**31 - 1

Coercer: TypeAlias = Callable[[Any, str], Any]
"""``(value, name)`` to the value as stored; ``name`` is the variable or innermost field, for messages."""


class Refused(ValueError):
    """An input value that its type does not take; ``located`` is False where AppSync points at no place."""

    def __init__(self, message: str, *, located: bool = True) -> None:
        super().__init__(message)
        self.located = located


class RefusedNull(Refused):
    """Null, or nothing, where a value is required; the outermost variable words the message."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"null for {type_name}")
        self.type_name = type_name


def string(value: Any, name: str) -> str:
    """Text as it is. Raises: Refused for anything else, numbers too."""
    if type(value) is not str:
        _mismatch(name, "String", value)
    return value


def identifier(value: Any, name: str) -> str:
    """Text, or an integer as text."""
    if type(value) is int:
        return str(value)
    if type(value) is not str:
        _mismatch(name, "ID", value)
    return value


def integer(value: Any, name: str) -> int:
    """A whole number of 32 bits."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        _mismatch(name, "Int", value)
    if not -INT_MAX - 1 <= value <= INT_MAX:
        raise Refused(f"Variable '{name}' has an invalid value. Value '{value}' is out of range for type 'Int'.")
    return value


def number(value: Any, name: str) -> float:
    """A finite number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        _mismatch(name, "Float", value)
    return float(value)


def boolean(value: Any, name: str) -> bool:
    """True or False."""
    if type(value) is not bool:
        _mismatch(name, "Boolean", value)
    return value


def json_text(value: Any, name: str) -> str:
    """Text that holds JSON, as compact JSON. Raises: Refused for a bare object and for text that is no JSON."""
    if type(value) is str:
        try:
            return encoded(decoded(value))
        except ValueError:
            pass
    raise Refused(f"Variable '{name}' has an invalid value. Unable to parse {java_text(value)} as valid JSON.")


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d(:\d\d)?)")


def time_text(value: Any, name: str) -> str:
    """The text of a moment with an offset, as given."""
    if type(value) is str and _TIME.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value
    raise Refused(
        f"Variable '{name}' has an invalid value. Unable to parse `{java_text(value)}` as a valid DateTime Object."
    )


SCALARS: dict[str, Coercer] = {
    "ID": identifier,
    "String": string,
    "Int": integer,
    "Float": number,
    "Boolean": boolean,
    "AWSJSON": json_text,
    "AWSDateTime": time_text,
}


def java_text(value: Any) -> str:
    """``value`` as a Java server prints it in messages: ``{n=1}``."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(java_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


_JAVA_NAMES = {str: "String", bool: "Boolean", int: "Integer", float: "Double", dict: "Map", list: "List"}


def _mismatch(name: str, expected: str, value: Any) -> NoReturn:
    found = _JAVA_NAMES.get(type(value), "null")
    raise Refused(f"Variable '{name}' has an invalid value. Expected type '{expected}' but was '{found}'.")
