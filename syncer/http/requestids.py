"""What a remote calls a request: the name under which its own logs know it, for people who ask its operators."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from syncer.http.session import Answer
from syncer.port import Outcome, Reply

_HEADERS = ("x-amzn-requestid", "x-amzn-request-id", "x-request-id", "request-id", "x-correlation-id", "x-amz-cf-id")
_PLAIN = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def request_id(headers: Mapping[str, str]) -> str:
    """The id in the headers of an answer; empty without one, or where it is not the short plain text that ids are."""
    for name in _HEADERS:
        found = headers.get(name, "").strip()
        if found:
            return found if _PLAIN.fullmatch(found) else ""
    return ""


def identified(reply: Reply, answer: Answer) -> Reply:
    """``reply`` with the id of the request in those receipts that somebody may ask about: all but acknowledged ones."""
    if all(receipt.outcome is Outcome.ACKED for receipt in reply.receipts):
        return reply
    found = request_id(answer.headers)
    if not found:
        return reply
    named = tuple(r if r.request_id or r.outcome is Outcome.ACKED else replace(r, request_id=found) for r in reply.receipts)
    return replace(reply, receipts=named)
