"""REST over ASGI: a request in, a status and a JSON document out. What Prefactor and ABEJA have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from syncer import clock
from syncer.sandbox.documents import decoded, encoded
from syncer.sandbox.faults import FAILURES, JSON_TYPE
from syncer.sandbox.middleware import Words

log = logging.getLogger(__name__)


class Unparseable(ValueError):
    """A body that is not a JSON object sent as such."""


class Call(NamedTuple):
    """One request; ``segments`` is the path below the mount, cut at its slashes and unescaped."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body; an empty one counts as ``{}``. Raises: Unparseable."""
        if not self.body:
            return {}
        if self.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_TYPE:
            raise Unparseable(f"the Content-Type must be {JSON_TYPE}")
        try:
            text = self.body.decode()
            sent = decoded(text)
            if "\\ud" in text.lower():  # half a surrogate pair is JSON, but no text
                encoded(sent).encode()
        except ValueError as exc:
            raise Unparseable("the body is not JSON") from exc
        if not isinstance(sent, dict):
            raise Unparseable("the body must be a JSON object")
        return sent


class Reply(NamedTuple):
    """An answer; ``request`` is the id that its effects carry."""

    status: int
    document: Mapping[str, Any]
    request: str


def endpoint(remote: str, answer: Callable[[Call], Reply], words: Words) -> ASGIApp:
    """The ASGI application that answers for ``remote``."""

    async def rest(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        call = Call(request.method, _segments(scope), dict(request.query_params), request.headers, await request.body())
        headers = {"date": format_datetime(clock.now(), usegmt=True)}
        try:
            reply = answer(call)
        except Exception:
            log.exception("the sandbox has a bug")
            response = Response(words(FAILURES[0]), 500, headers, JSON_TYPE)
        else:
            log.debug("%s %s: status %s", remote, reply.request, reply.status)
            headers["x-request-id"] = reply.request
            response = Response(encoded(reply.document), reply.status, headers, JSON_TYPE)
        await response(scope, receive, send)

    return rest


def _segments(scope: Scope) -> tuple[str, ...]:
    # From the raw path: an escaped slash is a part of its segment, not the end of it.
    raw = cast(bytes, scope["raw_path"]).partition(b"?")[0].decode("latin-1")
    below = raw.removeprefix(cast(str, scope.get("root_path", "")))
    return tuple(unquote(segment) for segment in below.removeprefix("/").split("/"))
