"""Everything a Prefactor call may raise.

::

    PrefactorHttpError                      catch this for all of them
    ├── PrefactorApiError                   the API refused, or would refuse: code, status_code, retry_after_s
    │   ├── PrefactorAuthError              401, 403
    │   ├── PrefactorNotFoundError          404
    │   └── PrefactorValidationError        400, 422: errors, by field
    ├── PrefactorRetryExhaustedError        every attempt failed: last_error
    ├── PrefactorClientError                the client was used in a way it cannot work
    └── PrefactorResponseContractError      an answer that is no Prefactor answer: status_code, body_snippet, cause

The text is ``str(error)``, and ``error.args == (message,)``. What helps to mend the matter is added as notes, which a
traceback shows below the text. All survive pickling and copying.

``retry_after_s`` and the last class are not in prefactor-http 0.1.0; newer versions have the class. Bad status literals
raise pydantic's ``ValidationError``, as there.

Source: docs/remotes/prefactor.md#errors
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from syncer.http import responses
from syncer.http.responses import decoded as read

INVALID_ACTION = "invalid_action"
"""Code of a refusal because of the record's status, with status 409."""

KEY_REUSED = "idempotency_key_reused"
"""Code of a refusal because the key came before with another body, with status 409."""

_SNIPPET = 200


class PrefactorHttpError(Exception):
    """Any failure of a Prefactor call."""

    def __reduce__(self) -> tuple[Callable[..., PrefactorHttpError], tuple[Any, ...]]:
        return _restored, (type(self), self.args, self.__dict__)


class PrefactorApiError(PrefactorHttpError):
    """The API refused the call, or it was refused here in the API's words because the outcome is known.

    ``code`` is the API's word for the reason (``not_found``, ``invalid_action``, ...; ``unknown`` when it gave none),
    ``status_code`` the HTTP status, ``retry_after_s`` the seconds the API asks to wait, if it does.
    """

    retry_after_s: float | None = None

    def __init__(self, message: str, code: str, status_code: int) -> None:
        self.code = code
        self.status_code = status_code
        super().__init__(message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r}, code={self.code!r}, status_code={self.status_code})"


class PrefactorAuthError(PrefactorApiError):
    """The token is wrong, suspended or revoked (401), or may not do this (403)."""

    def __init__(self, message: str, code: str, status_code: int) -> None:
        super().__init__(message, code, status_code)
        self.add_note("check the token: PREFACTOR_API_TOKEN, or HttpClientConfig(api_token=...)")
        self.add_note("reading needs an account token: one made for ingestion may only write")


class PrefactorNotFoundError(PrefactorApiError):
    """There is no such record (404)."""


class PrefactorValidationError(PrefactorApiError):
    """Fields that do not fit (400, 422). ``errors``: field to whatever the API says about it, ``{}`` when nothing."""

    def __init__(self, message: str, code: str, status_code: int, errors: dict[str, Any]) -> None:
        self.errors = errors
        super().__init__(message, code, status_code)
        for field, why in errors.items():
            self.add_note(f"{field}: {'; '.join(map(str, why)) if isinstance(why, list) else why}")


class PrefactorRetryExhaustedError(PrefactorHttpError):
    """Every attempt failed. ``last_error`` is what the last one met; nothing that waits locally is lost."""

    def __init__(self, message: str, last_error: Exception | None = None) -> None:
        self.last_error = last_error
        super().__init__(message)
        if last_error is not None:
            self.add_note(f"last error: {last_error!r}")


class PrefactorClientError(PrefactorHttpError):
    """The client was used in a way it cannot work."""


class PrefactorResponseContractError(PrefactorHttpError):
    """An answer that is no Prefactor answer: not JSON, no object, or of another shape.

    ``body_snippet`` is its beginning, blanks collapsed; ``cause`` what was wrong with it, if an exception said so.
    """

    def __init__(self, message: str, status_code: int, body_snippet: str = "", cause: Exception | None = None) -> None:
        self.status_code = status_code
        self.body_snippet = body_snippet
        self.cause = cause
        super().__init__(message)
        if body_snippet:
            self.add_note(f"the answer begins: {body_snippet}")


def from_response(status: int, body: bytes, headers: Mapping[str, str]) -> PrefactorApiError:
    """The exception for an answer with ``status`` 400 or above. Anything but a JSON object counts as an empty body."""
    by_name = {name.lower(): value for name, value in headers.items()}
    said = _object(body) if by_name.get("content-type", "").lower().startswith("application/json") else {}
    error = _by_status(status, str(said.get("message") or f"HTTP {status}"), str(said.get("code") or "unknown"), said)
    error.retry_after_s = _retry_after_s(by_name.get("retry-after", ""), said.get("retry_after_ms"))
    return error


def decoded(status: int, body: bytes) -> dict[str, Any]:
    """The JSON object of an answer below 400. Raises: PrefactorResponseContractError."""
    try:
        said = read(body)
    except ValueError as exc:
        raise PrefactorResponseContractError(f"HTTP {status} without JSON", status, _snippet(body), exc) from exc
    if not isinstance(said, dict):
        raise PrefactorResponseContractError(f"HTTP {status} without a JSON object", status, _snippet(body))
    return said


def _by_status(status: int, message: str, code: str, said: Mapping[str, Any]) -> PrefactorApiError:
    if status in (401, 403):
        return PrefactorAuthError(message, code, status)
    if status == 404:
        return PrefactorNotFoundError(message, code, status)
    if status in (400, 422):
        errors = said.get("errors") or {}
        return PrefactorValidationError(message, code, status, errors if isinstance(errors, dict) else {"errors": errors})
    return PrefactorApiError(message, code, status)


def _retry_after_s(header: str, milliseconds: Any) -> float | None:
    asked = [responses.retry_after_s({"Retry-After": header})]
    if isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and milliseconds >= 0:
        asked.append(min(milliseconds, responses.LONGEST_S * 1000) / 1000)
    return max((seconds for seconds in asked if seconds is not None), default=None)


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = read(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _snippet(body: bytes) -> str:
    return " ".join(body.decode("utf-8", "replace").split())[:_SNIPPET]


def _restored(kind: type[PrefactorHttpError], args: tuple[Any, ...], state: dict[str, Any]) -> PrefactorHttpError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
