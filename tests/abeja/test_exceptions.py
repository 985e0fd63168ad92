"""What ABEJA calls raise, in the original's forms."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from syncer.adapters.abeja import exceptions
from syncer.adapters.abeja.exceptions import BadRequest, Error, HttpError, InvalidPathException, NotFound, TransportError

URL = "https://api.abeja.io/organizations/1/deployments/2/runs/3"


def test_texts() -> None:
    """Text and repr are alike, and leave out what is not known."""
    whole = NotFound("e404", "d404", error_detail=[{"error": "x"}], status_code=404, url=URL)
    assert str(whole) == repr(whole) == f"<NotFound \"e404\": d404 (404 from {URL}), [{{'error': 'x'}}]>"
    assert str(HttpError("e", "d", status_code=402)) == '<HttpError "e": d>'
    assert str(HttpError("e", "d", [])) == '<HttpError "e": d>'


def test_arguments_and_attributes() -> None:
    """``args`` are those given by position; every attribute has its name."""
    error = BadRequest("e", "d", error_detail={"f": 1}, status_code=400, url=URL)
    assert error.args == ("e", "d")
    assert vars(error) == {"error": "e", "error_description": "d", "error_detail": {"f": 1}, "status_code": 400, "url": URL}


def test_as_a_dict() -> None:
    """The optional parts appear only when there is something in them."""
    assert HttpError("e", "d", [], 0, "")._asdict() == {"error": "e", "error_description": "d"}
    assert HttpError("e", "d", [1], 500, URL)._asdict() == {
        "error": "e",
        "error_description": "d",
        "error_detail": [1],
        "status_code": 500,
        "url": URL,
    }


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 422, 429, 500, 501, 502, 503, 504])
def test_each_status_has_its_class(status: int) -> None:
    """The class follows from the status; the body's words come along."""
    body = json.dumps({"error": f"e{status}", "error_description": f"d{status}", "error_detail": [{"error": "x"}]}).encode()
    error = exceptions.from_response(status, "Reason", body, URL)
    assert type(error) is exceptions.BY_STATUS.get(status, HttpError)
    assert str(error) == f"<{type(error).__name__} \"e{status}\": d{status} ({status} from {URL}), [{{'error': 'x'}}]>"


@pytest.mark.parametrize("body", ["nope", "", "{}", "[]", '["a"]', "null", "3", '"text"', '{"error": null}'])
def test_what_the_body_does_not_say(body: str) -> None:
    """Missing words are the status' name and the body's text, whatever the body is."""
    error = exceptions.from_response(404, "", body.encode(), URL)
    assert str(error) == f'<NotFound "Not Found": {body} (404 from {URL})>'


def test_half_a_body() -> None:
    """Each missing key falls back on its own."""
    assert (
        str(exceptions.from_response(429, "", b'{"error": "x"}', URL))
        == f'<HttpError "x": {{"error": "x"}} (429 from {URL})>'
    )


@pytest.mark.parametrize(("reason", "expected"), [("Odd Thing", "Odd Thing"), ("", "unknown")])
def test_a_status_without_a_name(reason: str, expected: str) -> None:
    """A status that no standard names takes the server's word for it."""
    assert exceptions.from_response(599, reason, b"\xff", URL).error == expected


def test_credentials_in_an_address_stay_hidden() -> None:
    """No error shows a password that was part of the address."""
    error = exceptions.from_response(500, "", b"", "https://me:secret@api.example/x")
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "error",
    [
        Error("a"),
        HttpError(error="e", error_description="d", url=URL),
        BadRequest("e", "d", [1], 400, URL),
        TransportError("refused", URL, maybe_applied=False),
        InvalidPathException("p"),
    ],
)
def test_errors_survive_pickling_and_copying(error: Error) -> None:
    """Errors cross processes with text and attributes, however they were made."""
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert (twin.args, str(twin), vars(twin)) == (error.args, str(error), vars(error))


def test_an_answer_is_json() -> None:
    """Anything else below 400 is a transport error: what was asked may have been done."""
    assert exceptions.decoded(200, b'{"run_id": "r"}', URL) == {"run_id": "r"}
    for status, body in ((200, b"<html>"), (204, b""), (200, b"\xff")):
        with pytest.raises(TransportError) as caught:
            exceptions.decoded(status, body, URL)
        assert str(caught.value) == f"HTTP {status} without JSON (from {URL})"
        assert caught.value.maybe_applied
        assert isinstance(caught.value.__cause__, ValueError)


def test_a_transport_error_without_an_address() -> None:
    """The address is shown where there is one."""
    assert str(TransportError("refused")) == "refused"
