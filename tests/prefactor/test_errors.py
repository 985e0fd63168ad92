"""What Prefactor calls raise."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from syncer.prefactor import errors
from syncer.prefactor.errors import (
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
    PrefactorValidationError,
)

JSON = {"Content-Type": "application/json; charset=utf-8"}


def answered(status: int, body: Any, **headers: str) -> PrefactorApiError:
    """The exception for a JSON answer."""
    return errors.from_response(status, json.dumps(body).encode(), JSON | headers)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PrefactorValidationError),
        (401, PrefactorAuthError),
        (402, PrefactorApiError),
        (403, PrefactorAuthError),
        (404, PrefactorNotFoundError),
        (405, PrefactorApiError),
        (409, PrefactorApiError),
        (422, PrefactorValidationError),
        (429, PrefactorApiError),
        (500, PrefactorApiError),
        (501, PrefactorApiError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[PrefactorApiError]) -> None:
    """The class follows from the status; code, text and status come along."""
    error = answered(status, {"status": "error", "code": "some_code", "message": "in a sentence"})
    assert type(error) is kind
    assert (str(error), error.args, error.code, error.status_code) == (
        "in a sentence",
        ("in a sentence",),
        "some_code",
        status,
    )
    assert not hasattr(error, "message")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"<html>", "text/html"),
        (b'{"code": "x", "message": "m"}', "text/plain"),
    ],
)
def test_a_body_without_facts_still_makes_an_error(body: bytes, content_type: str) -> None:
    """Whatever the body is, the class is right and the text names the status."""
    error = errors.from_response(400, body, {"content-type": content_type})
    assert isinstance(error, PrefactorValidationError)
    assert (str(error), error.code, error.errors) == ("HTTP 400", "unknown", {})


def test_field_errors_are_kept_and_shown() -> None:
    """Field errors are an attribute as the API gave them, and notes for people."""
    error = answered(422, {"code": "validation_errors", "message": "no", "errors": {"id": ["is taken"], "x": {"code": "y"}}})
    assert isinstance(error, PrefactorValidationError)
    assert error.errors == {"id": ["is taken"], "x": {"code": "y"}}
    assert error.__notes__ == ["id: is taken", "x: {'code': 'y'}"]


def test_errors_that_are_no_object_are_kept() -> None:
    """``errors`` is a dict whatever the API says."""
    error = answered(422, {"errors": ["odd"]})
    assert isinstance(error, PrefactorValidationError)
    assert error.errors == {"errors": ["odd"]}


def test_a_refused_token_says_where_it_comes_from() -> None:
    """A traceback of a refused token names the setting."""
    assert "PREFACTOR_API_TOKEN" in answered(401, {}).__notes__[0]


@pytest.mark.parametrize(
    ("header", "milliseconds", "expected"),
    [(None, None, None), ("2", None, 2.0), (None, 1500, 1.5), ("2", 2500, 2.5), ("3", 100, 3.0), ("odd", "odd", None)],
)
def test_the_longest_asked_wait_counts(header: str | None, milliseconds: Any, expected: float | None) -> None:
    """Header and body may both ask for a wait; the longer one is kept."""
    headers = {} if header is None else {"retry-after": header}
    assert answered(429, {"retry_after_ms": milliseconds}, **headers).retry_after_s == expected


@pytest.mark.parametrize(
    "error",
    [
        PrefactorHttpError("a"),
        PrefactorApiError("a", "b", 409),
        PrefactorAuthError("a", "b", 401),
        PrefactorValidationError("a", "b", 422, {"f": ["g"]}),
        PrefactorRetryExhaustedError("a", ValueError("v")),
        PrefactorResponseContractError("a", 200, "<html>"),
    ],
)
def test_errors_survive_pickling_and_copying(error: PrefactorHttpError) -> None:
    """Errors cross processes with text, attributes and notes."""
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert (twin.args, repr(twin)) == (error.args, repr(error))
        assert {k: repr(v) for k, v in vars(twin).items()} == {k: repr(v) for k, v in vars(error).items()}


def test_an_error_shows_its_code() -> None:
    """The repr tells code and status, the text stays the message."""
    assert repr(PrefactorApiError("a", "b", 409)) == "PrefactorApiError('a', code='b', status_code=409)"
    assert PrefactorRetryExhaustedError("a").last_error is None


def test_an_answer_is_a_json_object() -> None:
    """Anything else below 400 is a contract error that shows how it begins."""
    assert errors.decoded(200, b'{"status": "success"}') == {"status": "success"}
    with pytest.raises(PrefactorResponseContractError) as caught:
        errors.decoded(200, b"<html>\n\n  hello" + b"x" * 500)
    assert caught.value.body_snippet.startswith("<html> hello")
    assert len(caught.value.body_snippet) == 200
    assert isinstance(caught.value.cause, ValueError)
    with pytest.raises(PrefactorResponseContractError, match="without a JSON object") as caught:
        errors.decoded(201, b"[1]")
    assert caught.value.status_code == 201
