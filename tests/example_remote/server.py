"""The notes service: a small strict HTTP server with paging, idempotency keys, versions and deletes, and faults on demand.

Whatever it does not know it refuses: fields, types, methods, headers that are missing.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

TOKEN = "notes-token-8f2e"  # not a secret: of tests
_FIELDS: dict[str, dict[str, type]] = {
    "notebooks": {"name": str},
    "notes": {"notebookId": str, "title": str, "body": str, "tags": list, "pinned": bool},
}
_REQUIRED = {"notebooks": {"name"}, "notes": {"notebookId", "title"}}
_MOST = 100
Answered = tuple[int, dict[str, Any] | None]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        self.answered: Answered = (status, {"code": code, "message": message, **more})


class NotesServer:
    """The service on a port of its own. ``applied``: id and method of every write that had an effect, in order."""

    def __init__(self, *, page: int = 2) -> None:
        self.page = page
        self.records: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in _FIELDS}
        self.applied: list[tuple[str, str]] = []
        self.requests = 0
        self.lock = threading.Lock()
        self._keys: dict[str, tuple[str, Answered]] = {}
        self._lose = 0
        self._fail: list[tuple[int, Mapping[str, str]]] = []
        self._last = datetime.min.replace(tzinfo=UTC)
        service = self

        class Handler(_Handler):
            notes = service

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def settings(self) -> dict[str, str]:
        """What a client needs, by environment name."""
        return {"NOTES_API_URL": f"http://127.0.0.1:{self._http.server_address[1]}", "NOTES_TOKEN": TOKEN}

    def lose_next_reply(self) -> None:
        """Apply the next write, and hang up instead of answering."""
        self._lose += 1

    def fail_next(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer the next request with this status; nothing is applied."""
        self._fail.append((status, headers or {}))

    def failure(self) -> tuple[int, Mapping[str, str]] | None:
        """The fault for this request, if any."""
        return self._fail.pop(0) if self._fail else None

    def loses(self) -> bool:
        """Whether the answer to this write gets lost."""
        self._lose, loses = max(0, self._lose - 1), self._lose > 0
        return loses

    def now(self) -> str:
        """A time that is later than every one before: it is the version of a record."""
        moment = datetime.now(UTC)
        while moment.isoformat(timespec="milliseconds") <= self._last.isoformat(timespec="milliseconds"):
            time.sleep(0.001)  # noqa: TID251 - the time of a server is its own
            moment = datetime.now(UTC)
        self._last = moment
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def read(self, kind: str, key: str | None, query: Mapping[str, str]) -> Answered:
        """One record, or a page of a list. Raises: Refused."""
        if key is not None:
            if key not in self.records[kind]:
                raise Refused(404, "not-found", f"no {kind} {key}")
            return 200, self.records[kind][key]
        if unknown := query.keys() - {"limit", "after", *(["notebookId"] if kind == "notes" else [])}:
            raise Refused(400, "unknown-parameter", f"unknown: {', '.join(sorted(unknown))}")
        limit = query.get("limit", "")
        if not limit.isdigit() or not 1 <= int(limit) <= _MOST:
            raise Refused(400, "bad-limit", f"limit is 1 to {_MOST}, not {limit!r}")
        after = query.get("after", "")
        if after and after not in self.records[kind]:
            raise Refused(400, "bad-token", "the token is of no page")
        found = [
            record
            for key, record in sorted(self.records[kind].items())
            if key > after and ("notebookId" not in query or record["notebookId"] == query["notebookId"])
        ]
        page = found[: min(int(limit), self.page)]
        return 200, {"items": page, "next": page[-1]["id"] if len(found) > len(page) else None}

    def write(self, method: str, kind: str, key: str | None, body: bytes, headers: Mapping[str, str]) -> Answered:
        """A write, once per idempotency key. Raises: Refused."""
        idem_key = headers.get("Idempotency-Key", "")
        if not 8 <= len(idem_key) <= 64:
            raise Refused(400, "no-key", "every write needs an Idempotency-Key of 8 to 64 characters")
        asked = json.dumps([method, kind, key, body.decode()])
        if idem_key in self._keys:
            before, answered = self._keys[idem_key]
            if before != asked:
                raise Refused(422, "key-reused", "this key was used for another request")
            return answered
        answered = self._written(method, kind, key, body, headers.get("If-Match"))
        self._keys[idem_key] = (asked, answered)
        return answered

    def _written(self, method: str, kind: str, key: str | None, body: bytes, version: str | None) -> Answered:
        records = self.records[kind]
        fields = {} if method == "DELETE" else _checked(kind, body, creating=method == "POST")
        if fields.get("notebookId", "") not in ("", *self.records["notebooks"]):
            raise Refused(422, "no-notebook", f"there is no notebook {fields['notebookId']}")
        if method == "POST" and key is None:
            key = fields["id"]
            if key in records:
                raise Refused(409, "id-taken", f"{key} is there already", current=records[key])
            now = self.now()
            records[key] = {**fields, "createdAt": now, "updatedAt": now, "server": "notes/1"}
        elif method not in ("PATCH", "DELETE") or key is None:
            raise Refused(405, "no-such-way", f"no {method} here")
        elif key not in records:
            raise Refused(404, "not-found", f"no {kind} {key}")
        elif version is not None and version != records[key]["updatedAt"]:
            raise Refused(412, "other-version", "it was changed since", current=records[key])
        elif method == "PATCH":
            merged = {**records[key], **fields, "updatedAt": self.now()}
            records[key] = {name: value for name, value in merged.items() if value is not None}
        else:
            if kind == "notebooks" and any(note["notebookId"] == key for note in self.records["notes"].values()):
                raise Refused(409, "not-empty", "there are notes in it")
            del records[key]
        self.applied.append((key, method))
        return (204, None) if method == "DELETE" else (201 if method == "POST" else 200, records[key])


def _checked(kind: str, body: bytes, *, creating: bool) -> dict[str, Any]:
    known: dict[str, type] = {**_FIELDS[kind], **({"id": str} if creating else {})}
    try:
        fields = json.loads(body)
    except ValueError:
        raise Refused(400, "no-json", "the body is no JSON") from None
    if not isinstance(fields, dict) or not fields.keys() <= known.keys():
        raise Refused(400, "unknown-field", f"fields are: {', '.join(known)}")
    needed = {*_REQUIRED[kind], "id"} if creating else set()
    for name in needed - fields.keys():
        raise Refused(422, "needed", f"{name} is needed")
    for name, value in fields.items():
        removes = value is None and not creating and name not in _REQUIRED[kind]
        if not removes and not isinstance(value, known[name]):
            raise Refused(422, "wrong-type", f"{name} is no {known[name].__name__}")
    return fields


class _Handler(BaseHTTPRequestHandler):
    notes: NotesServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PATCH(self) -> None:
        self._handle("PATCH")

    def do_DELETE(self) -> None:
        self._handle("DELETE")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Tests read no log."""

    def _handle(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.notes.lock:
            self.notes.requests += 1
            failure = self.notes.failure()
            if failure is not None:
                self._answer((failure[0], {"message": "a fault"}), failure[1])
                return
            try:
                answered = self._answered(method, body)
            except Refused as refusal:
                answered = refusal.answered
            lost = method != "GET" and self.notes.loses()
        if lost:
            self.close_connection = True
            return
        self._answer(answered, {})

    def _answered(self, method: str, body: bytes) -> Answered:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "no-access", "the token is not known")
        address = urlsplit(self.path)
        segments = [unquote(segment) for segment in address.path.split("/")]
        if len(segments) not in (3, 4) or segments[:2] != ["", "v1"] or segments[2] not in _FIELDS:
            raise Refused(404, "no-such-path", f"nothing is at {address.path}")
        key = segments[3] if len(segments) == 4 else None
        if method == "GET":
            return self.notes.read(segments[2], key, dict(parse_qsl(address.query, strict_parsing=bool(address.query))))
        if body and self.headers.get("Content-Type") != "application/json":
            raise Refused(415, "no-json", "bodies are JSON")
        return self.notes.write(method, segments[2], key, body, self.headers)

    def _answer(self, answered: Answered, headers: Mapping[str, str]) -> None:
        status, document = answered
        content = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
