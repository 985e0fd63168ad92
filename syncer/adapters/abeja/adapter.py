"""ABEJA as the engine sees it: one POST for each create, pages of runs and of their logs, gets by id.

The platform makes a run for every POST and knows no idempotency key. So a POST is never repeated unless its run was looked
for, by its marker, and a grace period has passed in which a slow first request would have landed. What remains is a request
that lands even later: its run is reported as made twice when a pull sees it.

Source: docs/remotes/abeja.md#idempotency
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from syncer import clock, ids
from syncer.adapters.abeja import codec
from syncer.adapters.abeja import responses as abeja_responses
from syncer.adapters.abeja.codec import Order, Record
from syncer.adapters.abeja.credentials import authorization
from syncer.adapters.abeja.exceptions import BadRequest
from syncer.adapters.abeja.reads import Reading
from syncer.adapters.abeja.responses import Doubt
from syncer.adapters.abeja.settings import DEFAULT_API_URL
from syncer.adapters.abeja.settings import missing as lacking
from syncer.adapters.abeja.spec import MODELS, RUN
from syncer.errors import RemoteError, RemoteRefused, SettingError
from syncer.http import responses
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.responses import identified
from syncer.http.session import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Answer, Session, checked_secret, checked_url
from syncer.remote import Change, Limits, Op, Page, PageRequest, PushResult, Receipt, ReceiptKind, Row, State, StopReason
from syncer.schema.model import Model
from syncer.schema.values import dumps
from syncer.version import __version__

GRACE_S = 60.0
"""How long a create whose answer was lost is left alone before it may be sent again, at the least."""

_CLOCK_MARGIN_S = 600.0
_EARLY_S = 1.0  # a timer may wake a little before its time


class Abeja:
    """The remote: what is configured, and how creates look on the wire."""

    name = "abeja"
    models: Mapping[str, Model] = MODELS
    limits = Limits(first_batch=1, max_batch=1)

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._url = checked_url("ABEJA_API_URL", settings.get("api_url", DEFAULT_API_URL)).rstrip("/")
        checked_secret("PLATFORM_AUTH_TOKEN", settings.get("auth_token", ""))
        self._timeout_s = _seconds(settings.get("timeout_s"))
        self._strict = _flag(settings.get("strict"))

    def missing_settings(self) -> list[str]:
        """Environment names of the settings still needed."""
        return lacking(self._settings)

    def pull_sources(self) -> Mapping[str, Sequence[str]]:
        """The deployments to pull from, each as ``organization/deployment``, and the address they are at."""
        organization = self._settings.get("organization_id")
        listed = [name.strip() for name in self._settings.get("deployment_ids", "").split(",")]
        return {"deployments": [f"{organization}/{name}" for name in listed if name and organization], "place": [self._url]}

    def serialize(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text of a create."""
        return codec.serialize(row, change.idem_key, clock.stored_now()) if row and change.op == Op.CREATE else "{}"

    def written_fields(self, change: Change) -> Row:
        """What a serialized create writes, in stored form."""
        return codec.written_fields(change.body) if change.body and change.op == Op.CREATE else {}

    def preview(self, change: Change) -> Receipt:
        """What will be said to a serialized change, as far as that is known without asking."""
        never = _never(change)
        return Receipt(change.seq, ReceiptKind.ACKED) if never is None else never.receipts[0]

    def connect(self) -> AbejaConnection:
        """A new connection."""
        headers = {"User-Agent": f"syncer/{__version__}", "Accept": "application/json"}
        credential = authorization(self._settings)
        if credential is not None:
            headers["Authorization"] = credential
        session = Session(self._url, headers, timeout_s=(min(CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s))
        return AbejaConnection(session, self._url, strict=self._strict, grace_s=max(GRACE_S, 2 * self._timeout_s))


class AbejaConnection:
    """One connection to the Run API."""

    def __init__(self, session: Session, url: str, *, strict: bool, grace_s: float) -> None:
        self._session = session
        self._url = url
        self._strict = strict
        self._grace_s = grace_s
        self._reading = Reading(session, url)

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def push(self, changes: Sequence[Change]) -> PushResult:
        """Send one create: the limits of this remote allow no company, so that each POST is the attempt of one change."""
        (change,) = changes
        never = _never(change)
        if never is not None:
            return never
        order = codec.order(change.body or "{}")
        return self._resolve(change, order) if change.state is State.AMBIGUOUS else self._create(change, order)

    def _create(self, change: Change, order: Order) -> PushResult:
        try:
            path = runs_path(order.organization_id, order.deployment_id)
            answer = self._session.post(dumps(order.run).encode(), path)
        except RemoteRefused as exc:
            return abeja_responses.refused(change, BadRequest("bad_request", exc.what, status_code=400))
        except NotSent as exc:
            return abeja_responses.one(change, ReceiptKind.LATER, "unreachable", str(exc), halt=StopReason.UNREACHABLE)
        except ReplyLost as exc:
            return self._look(change, order, Doubt("reply-lost", str(exc)))
        return identified(self._judged(change, order, answer, path), answer)

    def _judged(self, change: Change, order: Order, answer: Answer, path: str) -> PushResult:
        run = abeja_responses.run_of(answer)
        if run is not None and codec.marker(run) in (None, order.marker):
            return abeja_responses.made(change, run, answer.elapsed_s)
        doubt = abeja_responses.doubt(answer)
        if doubt is None:
            return abeja_responses.not_made(change, answer, self._url + path)
        if doubt.retry_after_s or answer.is_html:
            return self._in_doubt(change, doubt, halt=StopReason.UNREACHABLE if answer.is_html else None)
        return self._look(change, order, doubt)

    def _look(self, change: Change, order: Order, doubt: Doubt) -> PushResult:
        """After a POST that may have made its run: it often shows at once."""
        try:
            found = self._marked(order)
        except RemoteError as exc:
            return abeja_responses.unseen(change, exc, doubt)
        return abeja_responses.adopted(change, found) if found else self._in_doubt(change, doubt)

    def _in_doubt(self, change: Change, doubt: Doubt, halt: StopReason | None = None) -> PushResult:
        due_s = max(self._grace_s, doubt.retry_after_s or 0.0)
        return abeja_responses.one(
            change,
            ReceiptKind.AMBIGUOUS,
            doubt.code,
            doubt.reason,
            halt=halt,
            retry_after_s=doubt.retry_after_s,
            due_s=due_s,
            elapsed_s=doubt.elapsed_s,
        )

    def _resolve(self, change: Change, order: Order) -> PushResult:
        """Look for the run of an earlier attempt; send again only when it is not there and cannot be on its way."""
        try:
            found = self._marked(order)
        except RemoteError as exc:
            return abeja_responses.unseen(change, exc, None)
        if found:
            return abeja_responses.adopted(change, found)
        if not self._quiet(change.attempted_at):
            return self._in_doubt(change, Doubt("not-listed", "no run carries its marker yet; it may still be on its way"))
        if self._strict:
            return abeja_responses.unknown(change, "no run carries its marker, and ABEJA_STRICT forbids to send it again")
        return self._create(change, order)

    def _quiet(self, attempted_at: str | None) -> bool:
        """True when the last attempt is so long ago that its request cannot be under way any more."""
        if attempted_at is None:
            return True
        return (clock.now() - clock.parsed(attempted_at)).total_seconds() >= self._grace_s - _EARLY_S

    def _marked(self, order: Order) -> list[Record]:
        """Every listed run with the marker of ``order``, oldest first. Raises: RemoteError."""
        path = runs_path(order.organization_id, order.deployment_id)
        since: str | None = None
        untold = False
        found: list[Record] = []
        for answer, entries in self._reading.lists(path):
            since = since or _since(order.first_at, answer)
            found += [run for run in entries if codec.marker(run) == order.marker]
            untold = untold or any("user_env_vars" not in run and codec.created_at(run) >= since for run in entries)
            if _all_older(entries, since):
                break
        if untold and not found:
            raise RemoteRefused("ABEJA lists runs without the environment that would tell whose they are")
        return sorted(found, key=lambda run: (codec.created_at(run), str(run["run_id"])))

    def page(self, request: PageRequest) -> Page:
        """One page of a deployment's runs, newest first, or of a run's log. Raises: RemoteError."""
        if request.model.name == RUN.name:
            organization_id, _, deployment_id = (request.partition or "").partition("/")
            return self._reading.runs(request, organization_id, deployment_id, runs_path(organization_id, deployment_id))
        run = request.parent
        if run is None or ids.is_local(run["run_id"]):
            return Page(())
        return self._reading.log(request, f"{_path_of(run)}/logs")

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Runs by id, ``known`` telling their organizations and deployments. Raises: RemoteError."""
        return {key: self._fetched(row) for key, row in known.items()} if model.name == RUN.name else {}

    def _fetched(self, row: Row) -> Row | None:
        if ids.is_local(row["run_id"]):
            return None
        path = _path_of(row)
        answer = self._reading.ask(path)
        if answer.status == 404 and not answer.is_html:
            return None
        run = abeja_responses.run_of(answer)
        if run is None:
            raise self._reading.refusal("ABEJA would not show a run", path, answer)
        return {**codec.as_row(run, row["organization_id"], row["deployment_id"]), "run_id": row["run_id"]}


def _never(change: Change) -> PushResult | None:
    """The reply to what need not be sent."""
    if change.model.name != RUN.name or change.op != Op.CREATE:
        return abeja_responses.no_such_way(change)
    return abeja_responses.unmarkable(change) if codec.order(change.body or "{}").marker is None else None


def runs_path(organization_id: str, deployment_id: str) -> str:
    """Where the runs of a deployment are. Raises: RemoteRefused for an id that no address can hold."""
    return f"/organizations/{_segment(organization_id)}/deployments/{_segment(deployment_id)}/runs"


def _path_of(run: Row) -> str:
    return f"{runs_path(run['organization_id'], run['deployment_id'])}/{_segment(run['run_id'])}"


def _segment(name: str) -> str:
    if name in ("", ".", ".."):  # would make another address of the whole
        raise RemoteRefused(f"{name!r} cannot be the id of anything on ABEJA")
    return quote(name, safe="")


def _since(first_at: str, answer: Answer) -> str:
    """The time, on the platform's clock, before which the run of a create first tried at ``first_at`` cannot be.

    The clock that answers may be a gateway's, not the one runs are stamped by: it makes a search longer, never shorter.
    """
    server_now = responses.server_time(answer.headers)
    ahead_s = (clock.parsed(server_now) - clock.now()).total_seconds() if server_now else 0.0
    return clock.after(min(0.0, ahead_s) - _CLOCK_MARGIN_S, clock.parsed(first_at))


def _all_older(entries: Sequence[Record], since: str) -> bool:
    """True when what follows a page is older than ``since``: its last run is, and it does not begin with an older one."""
    return bool(entries) and "" < (last := codec.created_at(entries[-1])) < since and codec.created_at(entries[0]) >= last


def _seconds(text: str | None) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingError(f"ABEJA_SDK_CONNECTION_TIMEOUT must be a number of seconds, not {text!r}")
    return seconds or READ_TIMEOUT_S


def _flag(text: str | None) -> bool:
    named = (text or "").lower()
    if named not in ("", "0", "1", "false", "true", "no", "yes", "off", "on"):
        raise SettingError(f"ABEJA_STRICT must be 1 or 0, not {text!r}")
    return named in ("1", "true", "yes", "on")


REMOTE = Abeja
