"""ABEJA model runs as `abeja-sdk` spells them, over the local file: change the import line, keep the program.

>>> from syncer.abeja import APIClient

The exceptions are here too, and in :mod:`syncer.abeja.exceptions`, with the names of ``abeja.exceptions``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncer.abeja.exceptions import (
        BadRequest,
        Conflict,
        Error,
        EtagHashNotMatch,
        Forbidden,
        HttpError,
        InternalServerError,
        InvalidDataFormat,
        InvalidPathException,
        MethodNotAllowed,
        NotFound,
        ResourceNotFound,
        TransportError,
        Unauthorized,
        UnsupportedURI,
    )

__all__ = [
    "APIClient",
    "Error",
    "HttpError",
    "BadRequest",
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "MethodNotAllowed",
    "Conflict",
    "InternalServerError",
    "TransportError",
    "UnsupportedURI",
    "InvalidDataFormat",
    "ResourceNotFound",
    "InvalidPathException",
    "EtagHashNotMatch",
]

_HOMES = dict.fromkeys(__all__, "syncer.abeja.exceptions") | {"APIClient": "syncer.abeja.client"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    """Every public name, imported yet or not."""
    return sorted({*globals(), *_HOMES})
