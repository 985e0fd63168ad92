"""Stands before every protocol: counts requests and lets each meet its fate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncer.sandbox.faults import Ending, Fate, Faults, Refusal

HANG_UP = "syncer.hang_up"
"""Scope entry: a function that closes the connection once what was sent is out. Our server puts it there."""

FATE = "syncer.fate"
"""Scope entry: the fate of the request, for protocols that can refuse parts of it."""

Words = Callable[[Refusal], bytes]
"""The body of a refusal, as a protocol writes its errors."""


class Traffic:
    """How many requests came, and over how many connections."""

    def __init__(self) -> None:
        self.requests = 0
        self.clients: set[tuple[str, int]] = set()


class Gate:
    """An ASGI application around that of ``remote``.

    ``words`` makes the body of an error in its protocol; ``parts``: it can refuse parts of a request.
    """

    def __init__(
        self, app: ASGIApp, faults: Faults, traffic: Traffic, *, remote: str, words: Words, parts: bool = False
    ) -> None:
        self._app = app
        self._remote = remote
        self._words = words
        self._faults = faults
        self._traffic = traffic
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._traffic.requests += 1
        if scope.get("client"):
            self._traffic.clients.add(tuple(scope["client"]))
        fate = self._faults.fate(parts=self._parts, remote=self._remote)
        scope[FATE] = fate
        if fate.latency_s:
            receive = await _arrived(receive)  # what arrived is served, also when the client does not wait for the answer
            await asyncio.sleep(fate.latency_s)
        if fate.refusal:
            await _refuse(fate.refusal, self._words(fate.refusal), receive, send)
        elif fate.stall_s or fate.ending is not Ending.SEND:
            await self._spoil(fate, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _spoil(self, fate: Fate, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if fate.stall_s and not await _stalled(fate.stall_s, receive):
            return
        if fate.ending is Ending.SEND:
            for message in held:
                await send(message)
            return
        if fate.ending is Ending.TRUNCATE:
            await _send_half(held, send)
        hang_up: Callable[[], None] = scope[HANG_UP]
        hang_up()
        await _disconnected(receive)


async def _arrived(receive: Receive) -> Receive:
    """Read the whole request; a receive that hands it out again, then goes on with the connection."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    waiting = iter(messages)

    async def again() -> Message:
        for message in waiting:
            return message
        return await receive()

    return again


async def _refuse(refusal: Refusal, words: bytes, receive: Receive, send: Send) -> None:
    # The body is read although nobody wants it: else the server could not keep the connection.
    while (await receive()).get("more_body"):
        pass
    body = words if refusal.body is None else refusal.body
    headers = {"Content-Length": str(len(body)), **refusal.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _send_half(held: list[Message], send: Send) -> None:
    start, *rest = held
    body = b"".join(message.get("body", b"") for message in rest)
    await send(start)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})


async def _stalled(seconds: float, receive: Receive) -> bool:
    """Let ``seconds`` pass; False when the client hung up meanwhile."""
    try:
        await asyncio.wait_for(_disconnected(receive), seconds)
    except TimeoutError:
        return True
    return False


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
