"""Everything an ABEJA call may raise, with the names, attributes and texts of `abeja-sdk`.

::

    Error                               catch this for all of them
    ├── HttpError                       any status of 400 or above that has no class of its own
    │   ├── BadRequest           400
    │   ├── Unauthorized         401
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── MethodNotAllowed     405
    │   ├── Conflict             409
    │   └── InternalServerError  500
    ├── TransportError                  no usable answer: the one class that abeja-sdk does not have
    └── UnsupportedURI   InvalidDataFormat   ResourceNotFound   InvalidPathException   EtagHashNotMatch
                                        not raised by runs, kept so that programs which name them still import

All survive pickling and copying.

Source: docs/remotes/abeja.md#errors
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from syncer.http.responses import decoded as read
from syncer.redact import redacted


class Error(Exception):
    """Any failure of an ABEJA call."""

    def __reduce__(self) -> tuple[Callable[..., Error], tuple[Any, ...]]:
        return _restored, (type(self), self.args, self.__dict__)


class HttpError(Error):
    """An answer that says no: ``error`` in a word, ``error_description`` in a sentence, ``error_detail`` if there is more.

    ``str()`` and ``repr()`` are alike: ``<NotFound "not_found": run not found (404 from https://...)>``.
    """

    def __init__(
        self,
        error: str,
        error_description: str,
        error_detail: Any = None,
        status_code: int | None = None,
        url: str | None = None,
    ) -> None:
        self.error = error
        self.error_description = error_description
        self.error_detail = error_detail
        self.status_code = status_code
        self.url = url

    def __repr__(self) -> str:
        where = f" ({self.status_code} from {self.url})" if self.status_code and self.url else ""
        more = f", {self.error_detail}" if self.error_detail else ""
        return f'<{type(self).__name__} "{self.error}": {self.error_description}{where}{more}>'

    __str__ = __repr__

    def _asdict(self) -> dict[str, Any]:
        """The two texts, and those of the other attributes that are set."""
        more = {"error_detail": self.error_detail, "status_code": self.status_code, "url": self.url}
        return {
            "error": self.error,
            "error_description": self.error_description,
            **{name: value for name, value in more.items() if value},
        }


class BadRequest(HttpError):
    """400: a parameter does not fit. Also raised here, before anything is stored."""


class Unauthorized(HttpError):
    """401: the credentials are missing or wrong."""


class Forbidden(HttpError):
    """403: the credentials do not allow this."""


class NotFound(HttpError):
    """404: there is no such organization, deployment, version or run."""


class MethodNotAllowed(HttpError):
    """405: the address does not take this method."""


class Conflict(HttpError):
    """409: the record's state does not allow this."""


class InternalServerError(HttpError):
    """500: the platform failed; whether it did what was asked is not known."""


class TransportError(Error):
    """No usable answer came: the connection failed, the time ran out, or the body was no JSON.

    The original lets exceptions of `requests` through instead. ``maybe_applied`` is False only where the request surely did
    not arrive; the cause, if any, is ``__cause__``.
    """

    def __init__(self, message: str, url: str | None = None, maybe_applied: bool = True) -> None:
        super().__init__(message)
        self.url = url
        self.maybe_applied = maybe_applied

    def __str__(self) -> str:
        return f"{self.args[0]} (from {self.url})" if self.url else str(self.args[0])


class UnsupportedURI(Error):
    """Not raised here."""


class InvalidDataFormat(Error):
    """Not raised here."""


class ResourceNotFound(Error):
    """Not raised here."""


class InvalidPathException(Error):
    """Not raised here."""

    def __init__(self, path: Any) -> None:
        self.path = path


class EtagHashNotMatch(Error):
    """Not raised here."""


BY_STATUS: dict[int, type[HttpError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    500: InternalServerError,
}


def from_response(status: int, reason: str, body: bytes, url: str) -> HttpError:
    """The exception for an answer with ``status`` 400 or above.

    What a JSON object does not say, the status' usual name (else ``reason``) and the body's text say instead; so they do for
    any other body. Credentials inside ``url`` are hidden.
    """
    text = body.decode("utf-8", "replace")
    try:
        said = read(text)
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    error, description = said.get("error"), said.get("error_description")
    return BY_STATUS.get(status, HttpError)(
        _name(status, reason) if error is None else str(error),
        text if description is None else str(description),
        error_detail=said.get("error_detail"),
        status_code=status,
        url=redacted(url),
    )


def decoded(status: int, body: bytes, url: str) -> Any:
    """The JSON of an answer below 400. Raises: TransportError when it is none, as with 204."""
    try:
        return read(body)
    except ValueError as exc:
        raise TransportError(f"HTTP {status} without JSON", redacted(url)) from exc


def _name(status: int, reason: str) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return reason or "unknown"


def _restored(kind: type[Error], args: tuple[Any, ...], state: dict[str, Any]) -> Error:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


# People import them from there: tracebacks and pickles name that module.
for _kind in [found for found in vars().values() if isinstance(found, type) and found.__module__ == __name__]:
    _kind.__module__ = "syncer.abeja.exceptions"
