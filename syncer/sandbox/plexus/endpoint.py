"""Plexus over HTTP: POST ``/graphql``."""

from __future__ import annotations

import logging
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from syncer import clock
from syncer.sandbox.faults import JSON_TYPE, Fate, Refusal, refused_parts
from syncer.sandbox.middleware import FATE
from syncer.sandbox.plexus.api import Plexus, Refusing

log = logging.getLogger(__name__)

_BUG = b'{"errors":[{"errorType":"InternalFailure","message":"Internal server error"}]}'


def endpoint(plexus: Plexus) -> ASGIApp:
    """The ASGI application that answers for ``plexus``."""

    async def graphql(request: Request) -> Response:
        body = await request.body()
        try:
            reply = plexus.answer(request.headers.get("x-api-key"), body, _refusing(request.scope.get(FATE)))
        except Exception:
            log.exception("the sandbox has a bug")
            return Response(_BUG, 500, media_type=JSON_TYPE)
        log.debug("plexus %s: status %s, %s bytes", reply.request, reply.status, len(reply.body))
        headers = {"x-amzn-requestid": reply.request, "date": format_datetime(clock.now(), usegmt=True)}
        return Response(reply.body, reply.status, headers, JSON_TYPE)

    return Router(routes=[Route("/graphql", graphql, methods=["POST"])])


def words(refusal: Refusal) -> bytes:
    """A refusal as AppSync says it."""
    return f'{{"errors":[{{"errorType":"{refusal.kind}","message":"{refusal.message}"}}]}}'.encode()


def _refusing(fate: Fate | None) -> Refusing | None:
    if fate is None or fate.partial is None:
        return None
    seed = fate.partial
    return lambda count: refused_parts(seed, count)
