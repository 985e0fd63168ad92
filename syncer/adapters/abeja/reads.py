"""Questions to ABEJA: asked again while it stumbles, walked by token without going in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from syncer.adapters.abeja import codec
from syncer.adapters.abeja import responses as abeja_responses
from syncer.adapters.abeja.codec import Record, Tail
from syncer.adapters.abeja.exceptions import from_response
from syncer.adapters.abeja.spec import RUN
from syncer.errors import RemoteRefused, Unreachable
from syncer.http import responses
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.responses import StatusClass
from syncer.http.session import Answer, Session
from syncer.remote import Page, PageRequest

_TRIES = 3
_TO_THE_SECOND = 19
_NO_SUCH_PLACE = "ABEJA has no deployment {name}: check ABEJA_ORGANIZATION_ID and ABEJA_DEPLOYMENT_IDS"
_EXPIRED = 400  # what a token is answered with that is not known any more


class Reading:
    """GETs over one connection, and where the walks over its lists stand."""

    def __init__(self, session: Session, url: str) -> None:
        self._session = session
        self._url = url
        self._walked: dict[str, set[str]] = {}
        self._tails: dict[str, tuple[str, Tail]] = {}

    def ask(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """An answer that says something: success, or a refusal of the question. Raises: Unreachable, AccessRefused."""
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._session.get(path, query or None)
            except NotSent as exc:
                raise abeja_responses.unreachable(exc, connected=False) from exc
            except ReplyLost as exc:
                if attempt == _TRIES:
                    raise abeja_responses.unreachable(exc, connected=True) from exc
                continue
            if responses.status_class(answer.status) is not StatusClass.UNKNOWN or "Retry-After" in answer.headers:
                break
        return _judged(answer, self._url + path)

    def lists(self, path: str) -> Iterator[tuple[Answer, list[Record]]]:
        """Pages of a deployment's runs, newest first, to the end of the list. Raises: RemoteError."""
        token: str | None = None
        seen: set[str] = set()
        while True:
            answer = self.ask(path, _given("next_page_token", token))
            document = self._read("ABEJA would not list runs", path, answer, "entries")
            yield answer, _runs(document)[0]
            following = document.get("next_page_token") or None
            if following is None or following == token:
                return
            if following in seen:
                raise RemoteRefused("ABEJA's list of runs leads back to a page that was read already")
            seen.add(following)
            token = following

    def runs(self, request: PageRequest, organization_id: str, deployment_id: str, path: str) -> Page:
        """One page of a deployment's runs; those we made come without their marker. Raises: RemoteError."""
        answer = self.ask(path, _given("next_page_token", request.token))
        if answer.status == 404 and not answer.is_html:
            return Page((), notes=(_NO_SUCH_PLACE.format(name=request.partition),))
        token = request.token
        if answer.status == _EXPIRED and token is not None:  # from the top again: what is known costs nothing
            answer, token = self.ask(path), None
        document = self._read("ABEJA would not list runs", path, answer, "entries")
        runs, skipped = _runs(document)
        rows = [codec.as_row(run, organization_id, deployment_id) for run in runs]
        names = (*(f.name for f in RUN.fields), "extra")
        return Page(
            [tuple(row[name] for name in names) for row in rows],
            self._next(path, token, document.get("next_page_token")),
            responses.server_time(answer.headers),
            skipped,
            _made(runs),
        )

    def log(self, request: PageRequest, path: str) -> Page:
        """One page of a run's log, oldest first, from the second of the cursor on. Raises: RemoteError."""
        since = codec.moment(request.cursor)
        start = _given("start_time", since[:_TO_THE_SECOND] if since else None)
        token = request.token
        answer = self.ask(path, _given("next_token", token) or start)
        if answer.status == _EXPIRED and token is not None:
            answer, token = self.ask(path, start), None
        if answer.status == 404 and not answer.is_html:
            return Page(())
        document = self._read("ABEJA would not show a log", path, answer, "events")
        found = _listed(document, "events")
        rows, tail = codec.events(str((request.parent or {}).get("run_id")), found, self._tail(path, token))
        further = self._next(path, token, document.get("next_token"))
        self._tails = {} if further is None else {path: (further, tail)}
        return Page(rows, further, responses.server_time(answer.headers), len(found) - len(rows))

    def refusal(self, what: str, path: str, answer: Answer) -> RemoteRefused | Unreachable:
        """The error for an answer that is not what was asked for."""
        if answer.status < 400:
            return abeja_responses.unusable(answer)
        error = from_response(answer.status, "", answer.body, self._url + path)
        refused = RemoteRefused(what, why=abeja_responses.said(answer))
        refused.__cause__ = error
        return refused

    def _read(self, what: str, path: str, answer: Answer, name: str) -> dict[str, Any]:
        """The JSON of an answer that has the list ``name``: without it, whatever it is, it is no empty list."""
        document = abeja_responses.document(answer) if answer.status < 400 else None
        if document is None or name not in document:
            raise self.refusal(what, path, answer)
        return document

    def _next(self, path: str, token: str | None, following: Any) -> str | None:
        """The token to follow; None at the end, which is also where a token comes back."""
        if token is None:
            self._walked[path] = set()
        walked = self._walked.setdefault(path, set())
        if token is not None:
            walked.add(token)
        return following if isinstance(following, str) and following and following not in walked else None

    def _tail(self, path: str, token: str | None) -> Tail:
        kept, tail = self._tails.get(path, (None, Tail()))
        return tail if token is not None and token == kept else Tail()


def _judged(answer: Answer, url: str) -> Answer:
    judged = responses.status_class(answer.status)
    if judged is StatusClass.ACCESS:
        raise abeja_responses.no_access(answer) from from_response(answer.status, "", answer.body, url)
    unusable = judged in (StatusClass.UNKNOWN, StatusClass.THROTTLED, StatusClass.TOO_LARGE) or answer.is_html
    if unusable or answer.status < 200 or 300 <= answer.status < 400:
        raise abeja_responses.unusable(answer)
    return answer


def _given(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}


def _listed(document: Mapping[str, Any], name: str) -> list[Any]:
    """The list in an answer. Raises: RemoteRefused when what is there is none."""
    found = document.get(name) or []
    if not isinstance(found, list):
        raise RemoteRefused("ABEJA answered with something other than a list", why=f"in {name!r}")
    return found


def _runs(document: Mapping[str, Any]) -> tuple[list[Record], int]:
    """The runs of a page, and how many entries were none."""
    entries = _listed(document, "entries")
    runs: list[Record] = [run for run in entries if isinstance(run, dict) and isinstance(run.get("run_id"), str)]
    return runs, len(entries) - len(runs)


def _made(runs: list[Record]) -> dict[str, str]:
    """Markers by run id, oldest run first: of two with one marker the older is the one to keep."""
    marked = [(codec.created_at(run), str(run["run_id"]), mark) for run in runs if (mark := codec.marker(run)) is not None]
    return {run_id: mark for _, run_id, mark in sorted(marked)}
