"""``APIClient``: model runs with the calls of ``abeja.runs.APIClient``, written to and read from the local file.

A run is durable when :meth:`APIClient.create_run` returns; ``syncer sync`` sends it, once. Lists and logs show what the last
pull brought, and the runs that still wait.

Source: docs/remotes/abeja.md#the-original-client
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from syncer import ids
from syncer.abeja import checks, paging, shapes
from syncer.abeja.online import Online
from syncer.abeja.paging import Events, Look
from syncer.adapters.abeja import credentials, responses
from syncer.adapters.abeja.exceptions import BadRequest, HttpError, NotFound, TransportError
from syncer.adapters.abeja.spec import FINAL_STATES, RUN, RUN_LOG_EVENT
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.errors import InvalidInput, RemoteError, Unreachable
from syncer.outbox import queue
from syncer.outbox.queue import ChangeStatus
from syncer.records import rows
from syncer.records.write import row_of
from syncer.remote import Row, State
from syncer.schema.model import Model
from syncer.store.database import Transaction

if TYPE_CHECKING:
    from syncer.workspace import Workspace

T = TypeVar("T")


class BaseAPIClient:
    """A client of the platform over a local file. ``workspace``: that file and its settings; by default the environment's.

    ``credential`` (a dict as the platform's own client takes it) is used for the online reads of :meth:`APIClient.get_run`
    alone, and kept nowhere else: a sync uses the credentials of the settings. ``timeout`` bounds those reads, ten seconds at
    the most. ``max_retry_count`` is taken for compatibility: a create is sent again only where that makes no second run.
    """

    def __init__(
        self,
        credential: dict[str, Any] | None = None,
        timeout: int | None = None,
        max_retry_count: int | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> None:
        self.timeout = credentials.connection_timeout(timeout)
        self.max_retry_count = credentials.max_retry_count(max_retry_count)
        if workspace is None:
            from syncer.workspace import shared

            workspace = shared()
        self._workspace = workspace
        known = None if credential is None else dict(credential)
        self._online = Online(lambda s: workspace.remote("abeja", s), workspace.settings, known, self.timeout)

    def _read(self, work: Callable[[Transaction], T]) -> T:
        return self._workspace.database.read(work)


class APIClient(BaseAPIClient):
    """Runs of ABEJA deployments."""

    def create_run(
        self,
        organization_id: str,
        deployment_id: str,
        version_id: str,
        input_data: dict[str, str] | None = None,
        output_template: dict[str, str] | None = None,
        distribution: int | None = None,
        retry_count: int | None = None,
        environment: dict[str, str] | None = None,
        model_id: str | None = None,
    ) -> dict[str, Any]:
        """The run as it is stored here now, with a local ``run_id`` that stays good for ever. Nothing is sent.

        Raises: BadRequest for arguments the platform would refuse, DatabaseError; then nothing was stored.
        """
        place = checks.place(organization_id=organization_id, deployment_id=deployment_id, version_id=version_id)
        fields = {
            "organization_id": organization_id,
            "deployment_id": deployment_id,
            "model_version_id": place["version_id"],
            "models": checks.alias(model_id),
            "input_data": checks.texts("input_data", input_data),
            "output_template": checks.texts("output_template", output_template),
            "retry_count": checks.retry_count(retry_count),
            "distribution": checks.whole("distribution", distribution),
            "user_env_vars": checks.environment(environment),
            "status": "SUBMITTED",
        }
        try:
            made = self._workspace.abeja.create(RUN.name, fields)
        except InvalidInput as exc:
            raise BadRequest("bad_request", exc.sentence) from exc
        return self._shown(made["run_id"])

    def get_run(self, organization_id: str, deployment_id: str, run_id: str) -> dict[str, Any]:
        """One run, by its local or by the platform's id.

        With credentials and a network, a run that is not final is read anew, and one that is not here is fetched and kept;
        that takes seconds at most, and a failure to read anew is not told. Raises: what the platform refused the create
        with; NotFound, its ``error`` being ``not_cached`` when only the local file could be asked.
        """
        place = checks.place(organization_id=organization_id, deployment_id=deployment_id, run_id=run_id)
        row, stands = self._local(run_id)
        if row is None:
            return shapes.run(self._fetched(place), None)
        self._require_home(row, place)
        refusal = responses.read(stands.code, stands.reason) if stands and stands.state is State.REJECTED else None
        if refusal is not None:
            raise refusal
        if stands is None and row["status"] not in FINAL_STATES:
            row = self._refreshed(row)
        return shapes.run(row, stands)

    def get_runs(
        self,
        organization_id: str,
        deployment_id: str,
        next_page_token: str | None = None,
        scan_forward: bool | None = None,
    ) -> dict[str, Any]:
        """``{"entries": [run, ...], "next_page_token": str | None}`` from the local file; newest first, or ``scan_forward``.

        Runs that wait to be sent are among them. The token is None on the last page. Raises: BadRequest for a token of
        another list.
        """
        place = checks.place(organization_id=organization_id, deployment_id=deployment_id)

        def look(tx: Transaction) -> tuple[list[shapes.Run], str | None]:
            found, token = paging.runs(_look(tx, RUN), place, next_page_token, scan_forward)
            stands = queue.status_of(tx, RUN, [row["run_id"] for row in found])
            return [shapes.run(row, stands.get(row["run_id"])) for row in found], token

        entries, token = self._read(look)
        return {"entries": entries, "next_page_token": token}

    def get_run_logs(
        self,
        organization_id: str,
        deployment_id: str,
        run_id: str,
        next_token: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> dict[str, Any]:
        """``{"events": [{"message", "timestamp"}, ...], "next_token": str}``, oldest first; no ``next_token`` at the end.

        From the local file, between two times that are both included. Raises: NotFound, BadRequest.
        """
        row = self._run_of_log(organization_id, deployment_id, run_id)
        bounds = (paging.utc("start_time", start_time), paging.utc("end_time", end_time))

        def look(tx: Transaction) -> tuple[list[Row], str | None]:
            return Events(_look(tx, RUN_LOG_EVENT), "logs", row["run_id"], bounds, "next_token", next_token).oldest_first()

        found, token = self._read(look)
        page: dict[str, Any] = {"events": [shapes.event(event) for event in found]}
        return page if token is None else {**page, "next_token": token}

    def get_run_recent_logs(
        self,
        organization_id: str,
        deployment_id: str,
        run_id: str,
        next_forward_token: str | None = None,
        next_backward_token: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
    ) -> dict[str, Any]:
        """``{"events": [...], "next_forward_token": str, "next_backward_token": str}``, newest first.

        Both tokens are always there; at either end ``events`` is empty. Otherwise like :meth:`get_run_logs`.
        """
        if next_forward_token and next_backward_token:
            raise paging.refused("next_forward_token cannot be used together with next_backward_token")
        row = self._run_of_log(organization_id, deployment_id, run_id)
        bounds = (paging.utc("start_time", start_time), paging.utc("end_time", end_time))
        newer = bool(next_forward_token)
        name = "next_forward_token" if newer else "next_backward_token"
        text = next_forward_token or next_backward_token

        def look(tx: Transaction) -> tuple[list[Row], str, str]:
            return Events(_look(tx, RUN_LOG_EVENT), "recent", row["run_id"], bounds, name, text).newest_first(newer=newer)

        found, forward, backward = self._read(look)
        events = [shapes.event(event) for event in found]
        return {"events": events, "next_forward_token": forward, "next_backward_token": backward}

    def _shown(self, run_id: str) -> shapes.Run:
        row, stands = self._local(run_id)
        if row is None:
            raise _not_cached(run_id)
        return shapes.run(row, stands)

    def _local(self, run_id: str) -> tuple[Row | None, ChangeStatus | None]:
        """The row that goes, or once went, by ``run_id``, and how its create stands."""

        def look(tx: Transaction) -> tuple[Row | None, ChangeStatus | None]:
            row = row_of(tx, RUN, run_id)
            return row, queue.status_of(tx, RUN, [row["run_id"]]).get(row["run_id"]) if row else None

        return self._read(look)

    def _run_of_log(self, organization_id: str, deployment_id: str, run_id: str) -> Row:
        place = checks.place(organization_id=organization_id, deployment_id=deployment_id, run_id=run_id)
        row, _ = self._local(run_id)
        if row is None:
            raise _not_cached(run_id)
        self._require_home(row, place)
        return row

    def _require_home(self, row: Row, place: dict[str, str]) -> None:
        if any(row[name] != place[name] for name in ("organization_id", "deployment_id")):
            raise NotFound("not_found", f"run {place['run_id']} belongs to another deployment")

    def _fetched(self, place: dict[str, str]) -> Row:
        """A run that is not here, from the platform; kept from now on. Raises: HttpError."""
        if ids.is_local(place["run_id"]):
            raise _not_cached(place["run_id"])
        try:
            row = self._online.run(place)
        except Unreachable as exc:
            raise _not_cached(place["run_id"], exc.sentence) from exc
        except RemoteError as exc:
            raise exc.__cause__ if isinstance(exc.__cause__, HttpError) else TransportError(exc.sentence) from exc
        if row is None:
            raise NotFound("not_found", f"ABEJA has no run {place['run_id']} in this deployment", status_code=404)
        return self._kept(row)

    def _refreshed(self, row: Row) -> Row:
        try:
            found = self._online.run(row)
        except RemoteError:
            return row
        return row if found is None else self._kept(found)

    def _kept(self, found: Row) -> Row:
        def keep(tx: Transaction) -> Row:
            reconcile_apply.apply(tx, RUN, [rows.sql(RUN).as_tuple(found)])
            return row_of(tx, RUN, found["run_id"]) or found

        return self._workspace.database.write(keep)


def _look(tx: Transaction, model: Model) -> Look:
    return lambda window: rows.seen(tx, model, window)


def _not_cached(run_id: str, why: str = "") -> NotFound:
    more = f"; {why}" if why else ""
    return NotFound("not_cached", f"run {run_id} is not in the local file{more}; to fetch runs: syncer pull abeja")
