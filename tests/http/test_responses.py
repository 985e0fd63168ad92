"""Statuses, Retry-After, error envelopes: what they mean for a change."""

from __future__ import annotations

import json

import pytest
from freezegun import freeze_time

from syncer.errors import SettingError
from syncer.http.graphql import ErrorKind, GraphError, envelope
from syncer.http.responses import LONGEST_S, StatusClass, retry_after_s, server_time, status_class
from syncer.http.session import checked_url
from syncer.redact import redacted


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (103, StatusClass.UNKNOWN),
        (200, StatusClass.ANSWERED),
        (301, StatusClass.WRONG_PLACE),
        (400, StatusClass.MALFORMED),
        (401, StatusClass.ACCESS),
        (403, StatusClass.ACCESS),
        (404, StatusClass.WRONG_PLACE),
        (408, StatusClass.UNKNOWN),
        (413, StatusClass.TOO_LARGE),
        (429, StatusClass.THROTTLED),
        (500, StatusClass.UNKNOWN),
        (599, StatusClass.UNKNOWN),
    ],
)
def test_verdicts(status: int, expected: StatusClass) -> None:
    """Only what surely did not run is called so."""
    assert status_class(status) is expected


@freeze_time("2026-03-04T05:06:07Z")
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        ("1e99", LONGEST_S),
        ("nan", None),
        ("30, 60", 60.0),
        ("Wed, 04 Mar 2026 05:06:17 GMT", 10.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """A number of seconds or a date; the longest of several; nonsense counts as absent."""
    assert retry_after_s({"Retry-After": text}) == seconds


@freeze_time("2026-03-04T06:00:00Z")
def test_retry_after_by_the_clock_of_the_remote() -> None:
    """A date means the clock that made it: ours is an hour ahead, and the wait is still ten seconds [I10]."""
    headers = {"Retry-After": "Wed, 04 Mar 2026 05:06:17 GMT", "Date": "Wed, 04 Mar 2026 05:06:07 GMT"}
    assert retry_after_s(headers) == 10.0


def test_server_time() -> None:
    """The Date header in stored form."""
    assert server_time({"Date": "Wed, 04 Mar 2026 05:06:17 GMT"}) == "2026-03-04T05:06:17.000000Z"
    assert server_time({"Date": "today"}) is None
    assert server_time({}) is None


@pytest.mark.parametrize(
    ("kind", "message", "expected"),
    [
        ("DynamoDB:ConditionalCheckFailedException", "The conditional request failed", ErrorKind.CONDITION),
        ("DynamoDB:ThrottlingException", "", ErrorKind.THROTTLED),
        ("", "Throughput exceeds the current capacity of your table or index", ErrorKind.THROTTLED),
        ("DynamoDB:ProvisionedThroughputExceededException", "", ErrorKind.THROTTLED),
        ("DynamoDB:InternalServerError", "Internal server error", ErrorKind.UNKNOWN),
        ("DynamoDB:DynamoDbException", "Oops (Service: DynamoDb, Status Code: 500)", ErrorKind.UNKNOWN),
        ("DynamoDB:DynamoDbException", "No (Service: DynamoDb, Status Code: 400) timeout", ErrorKind.REFUSED),
        ("", "Variable 'i0' has an invalid value: 'too many requests'", ErrorKind.REFUSED),
        ("DynamoDB:DynamoDbException", "Item size has exceeded the maximum allowed size", ErrorKind.REFUSED),
        ("Unauthorized", "Not Authorized to access listUsers on type Query", ErrorKind.DENIED),
        ("", "When updating any part of the composite sort key for @index 'x'", ErrorKind.REFUSED),
        ("MappingTemplate", "Transformation too large", ErrorKind.TOO_BIG),
        ("", "Variable 'x500' has an invalid value. Unable to parse {n=1} as valid JSON.", ErrorKind.REFUSED),
        ("InternalFailure", "An internal failure occurred", ErrorKind.UNKNOWN),
        ("ExecutionTimeout", "Execution timed out.", ErrorKind.UNKNOWN),
        ("", "something nobody has seen", ErrorKind.REFUSED),
    ],
)
def test_graphql_errors(kind: str, message: str, expected: ErrorKind) -> None:
    """errorType decides, the message where there is none; a number inside a text means nothing."""
    assert GraphError(message, kind).error_kind is expected


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": "x"}', b'{"data": {"m0"', b"null"])
def test_what_is_no_answer(body: bytes) -> None:
    """Cut off, a web page, or JSON of another kind."""
    assert envelope(body) is None


def test_envelopes_keep_partial_data() -> None:
    """Data and errors may come together; the first error of an alias and of the whole count."""
    errors = [{"path": ["m1"], "message": "no", "errorType": "X"}, {"path": None, "message": "whole"}, "odd"]
    read = envelope(json.dumps({"data": {"m0": {"id": "a"}, "m1": None}, "errors": errors}).encode())
    assert read is not None
    assert read.data == {"m0": {"id": "a"}, "m1": None}
    assert read.by_alias["m1"].kind == "X"
    assert read.whole is not None
    assert read.whole.message == "whole"


@pytest.mark.parametrize(
    "url", ["http://example.org/graphql", "ftp://example.org", "example.org", "", "https://user:pass@example.org/"]
)
def test_addresses_that_credentials_must_not_go_to(url: str) -> None:
    """Plain http only to this machine; nothing but the web; no credentials inside, and none in the error."""
    with pytest.raises(SettingError) as caught:
        checked_url("PLEXUS_API_URL", url)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/graphql", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:8/x"]
)
def test_addresses_that_are_fine(url: str) -> None:
    """TLS anywhere, anything on this machine."""
    assert checked_url("PLEXUS_API_URL", url) == url


def test_credentials_are_hidden() -> None:
    """Whatever looks like one, and every known one."""
    text = redacted("x-api-key: da2-abc Authorization: Bearer t0ken https://u:p@h/ my-secret", ("my-secret",))
    for part in ("da2-abc", "t0ken", "u:p", "my-secret"):
        assert part not in text
