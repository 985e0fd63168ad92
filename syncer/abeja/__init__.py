"""ABEJA model runs as `abeja-sdk` spells them, over the local file: change the import line, keep the program.

>>> from syncer.abeja import APIClient

The exceptions are here too, and in :mod:`syncer.adapters.abeja.exceptions`, with the names of ``abeja.exceptions``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.lazy import lazily

if TYPE_CHECKING:
    from syncer.abeja.client import APIClient
    from syncer.adapters.abeja.exceptions import (
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

_HOMES = dict.fromkeys(__all__, "syncer.adapters.abeja.exceptions") | {"APIClient": "syncer.abeja.client"}


__getattr__, __dir__ = lazily(__name__, _HOMES)
