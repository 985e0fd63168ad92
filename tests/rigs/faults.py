"""What a bad network does to one request, and what it makes of an answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any

JSON_TYPE = "application/json"
WEB_PAGE = b"<!DOCTYPE html><html><body>Please sign in to this network.</body></html>"


class Fault(StrEnum):
    """What happens. *Applied* is said of a write: whether the upstream did it though the client learns nothing of it."""

    LOST = "lost"  # applied; the connection closes without a byte
    RESET = "reset"  # applied; reset in the middle of the body
    CUT = "cut"  # applied; the body ends before its Content-Length
    CUT_COUNTED = "cut-counted"  # applied; half of the body, with the Content-Length of the half
    STALL = "stall"  # applied; no answer until the client hangs up
    GATEWAY = "gateway"  # applied; answered with a 502 or 504
    PARTIAL = "partial"  # applied; HTTP 200 whose errors take back a part of it
    LATE = "late"  # not applied before the next request was; no answer
    TWICE = "twice"  # applied, delivered again; the second answer
    THROTTLED = "throttled"  # 429
    THROTTLED_UNTIL = "throttled-until"  # 429 with Retry-After
    ERROR = "error"  # 500 or 503, sometimes with Retry-After
    HTML = "html"  # a web page
    REDIRECT = "redirect"  # to another host
    STALE = "stale"  # a read answered as some time ago
    SHUFFLED = "shuffled"  # a page in another order, with records of the page before in it


READS_ONLY = frozenset({Fault.STALE, Fault.SHUFFLED})
WRITES_ONLY = frozenset({Fault.LATE, Fault.TWICE})
REFUSED = frozenset({Fault.THROTTLED, Fault.THROTTLED_UNTIL, Fault.ERROR, Fault.HTML, Fault.REDIRECT})
"""Never forwarded."""
EVERY = tuple(Fault)


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    number: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def remote(self) -> str:
        """Which protocol it speaks."""
        return self.target.split("/")[1]

    @property
    def writes(self) -> bool:
        """True for what may have an effect."""
        return self.body.startswith(b'{"query":"mutation') if self.remote == "plexus" else self.method == "POST"

    @property
    def document(self) -> Any:
        """The body as JSON, None when there is none."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON_TYPE})


def refusal(fault: Fault, random: Random, elsewhere: str) -> Answer:
    """The answer to a request that is not forwarded. ``elsewhere``: the address that redirects name."""
    wait = {"Retry-After": str(random.randint(1, 20))}
    plain = {"Content-Type": JSON_TYPE}
    if fault is Fault.HTML:
        return Answer(200, WEB_PAGE, {"Content-Type": "text/html"})
    if fault is Fault.REDIRECT:
        return Answer(random.choice((301, 302, 303, 307, 308)), b"", {"Location": elsewhere})
    if fault is Fault.ERROR:
        headers = {**plain, **wait} if random.random() < 0.3 else plain
        return Answer(random.choice((500, 503)), b'{"message":"sorry"}', headers)
    return Answer(429, b'{"message":"slow down"}', {**plain, **wait} if fault is Fault.THROTTLED_UNTIL else plain)


def spoiled(answer: Answer, random: Random) -> Answer:
    """A GraphQL answer some part of which is taken back by an error; another one as it is."""
    try:
        document = json.loads(answer.body)
        aliases = list(document["data"])
    except (ValueError, KeyError, TypeError):
        return answer
    error: dict[str, Any] = {"errorType": "InternalFailure", "message": "Internal failure, timed out"}
    if random.random() < 0.25:
        return replace(answer, body=json.dumps({"data": None, "errors": [error]}).encode())
    chosen = random.choice(aliases)
    document["data"][chosen] = None
    document.setdefault("errors", None)
    document["errors"] = [*(document["errors"] or ()), {**error, "path": [chosen]}]
    return replace(answer, body=json.dumps(document).encode())


def listed(document: Any) -> list[Any] | None:
    """The list of records in the answer that is a page, None in any other."""
    if not isinstance(document, dict):
        return None
    data = document.get("data")
    page = data.get("page") if isinstance(data, dict) else None
    for holder, name in ((page, "items"), (document, "summaries"), (document, "entries")):
        if isinstance(holder, dict) and isinstance(holder.get(name), list):
            found: list[Any] = holder[name]
            return found
    return None


def shuffled(answer: Answer, before: list[Any], random: Random) -> Answer:
    """A page with its records in another order, some of the page ``before`` among them; another answer as it is."""
    try:
        document = json.loads(answer.body)
    except ValueError:
        return answer
    records = listed(document)
    if records is None:
        return answer
    records.extend(random.sample(before, min(2, len(before))))
    random.shuffle(records)
    return replace(answer, body=json.dumps(document).encode())
