"""The client: prefactor-http's class over the local file, with its endpoints of instances, spans and bulk operations.

>>> async with PrefactorHttpClient(HttpClientConfig(api_url="...", api_token="...")) as client:
...     instance = await client.agent_instances.register(agent_id, {"name": "v1"}, {})

Calls are stored and return; ``syncer sync`` sends them, with the address and token of the settings
(``PREFACTOR_API_URL``, ``PREFACTOR_API_TOKEN``). Those of the configuration serve
:meth:`PrefactorHttpClient.request` with GET, nothing else, and are never stored.

Each call returns once its write is durable, with the record as the API would answer it: ids the API
alone knows are empty texts until synced, times are those of the call, and naive datetimes mean UTC.
Nothing here waits for the network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from syncer.errors import SettingError
from syncer.http.session import Session, checked_secret, checked_url
from syncer.prefactor.config import HttpClientConfig
from syncer.prefactor.errors import PrefactorApiError, PrefactorClientError, decoded, from_response
from syncer.prefactor.models import (
    AgentInstance,
    AgentSpan,
    AgentStatus,
    BulkItem,
    BulkOutput,
    BulkRequest,
    BulkResponse,
    CreateAgentSpanRequest,
    FinishStatus,
)
from syncer.prefactor.operations import Operations, named
from syncer.prefactor.retry import RetryHandler, worth_repeating
from syncer.prefactor.writes import Writes
from syncer.store.database import Database


class Home(Protocol):
    """What a client needs of a :class:`syncer.Workspace`."""

    @property
    def database(self) -> Database:
        """The local file."""
        ...


class PrefactorHttpClient:
    """Prefactor, offline first.

    ``workspace``: where calls are stored; by default the one that environment and ``syncer.toml`` name, opened once in a
    process and shared. Whoever opened a workspace closes it: :meth:`close` closes nothing, and what waits stays waiting.
    """

    def __init__(self, config: HttpClientConfig, *, workspace: Home | None = None) -> None:
        self.config = config
        self._workspace = workspace

    async def __aenter__(self) -> PrefactorHttpClient:
        await asyncio.to_thread(lambda: self.writes)
        return self

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing is held that would have to be let go; calls work before and after."""

    @cached_property
    def _database(self) -> Database:
        if self._workspace is not None:
            return self._workspace.database
        from syncer.workspace import shared  # the one way up: a client without a workspace stands on the environment's

        return shared().database

    @cached_property
    def writes(self) -> Writes:
        """What the endpoints do in the local file, which is opened when it is first used. Raises: DatabaseError."""
        return Writes(self._database)

    @cached_property
    def operations(self) -> Operations:
        """The same for requests in the API's own form."""
        return Operations(self.writes, self._database)

    @cached_property
    def _agent_instances(self) -> AgentInstanceClient:
        return AgentInstanceClient(self)

    @cached_property
    def _agent_spans(self) -> AgentSpanClient:
        return AgentSpanClient(self)

    @cached_property
    def _bulk(self) -> BulkClient:
        return BulkClient(self)

    @property
    def agent_instances(self) -> AgentInstanceClient:
        """Register, start and finish runs of agents."""
        return self._agent_instances

    @property
    def agent_spans(self) -> AgentSpanClient:
        """Create and finish the steps of a run."""
        return self._agent_spans

    @property
    def bulk(self) -> BulkClient:
        """Many operations in one call."""
        return self._bulk

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """A call in the API's own form.

        A GET asks the API now, with the retries of the configuration. A write that one of the endpoints makes is stored like
        theirs and answered as the API would, ``{"status": "success", "details": {...}}``; others raise PrefactorClientError.

        Raises: PrefactorApiError, PrefactorRetryExhaustedError, PrefactorResponseContractError.
        """
        handler = RetryHandler(self.config, what=f"Request to {path}")
        return dict(
            await handler.execute(
                self._make_request,
                lambda error: worth_repeating(error, self.config),
                method,
                path,
                params,
                json_data,
                idempotency_key,
            )
        )

    async def _make_request(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """One attempt of :meth:`request`."""
        if method.upper() == "GET":
            return await asyncio.to_thread(self._asked, path, params or {})
        return await asyncio.to_thread(self._written, method.upper(), path, json_data or {}, idempotency_key)

    def _asked(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        config = self.config
        try:
            url = checked_url("api_url", config.api_url).rstrip("/")
            checked_secret("api_token", config.api_token)
        except SettingError as exc:
            raise PrefactorClientError(exc.sentence) from exc
        headers = {"Authorization": f"Bearer {config.api_token}", "Accept": "application/json"}
        session = Session(url, headers, timeout_s=(config.connect_timeout, config.request_timeout), whole_in_reads=1.0)
        try:
            answer = session.get(path, {name: _spelled(value) for name, value in params.items() if value is not None})
        finally:
            session.close()
        if answer.status >= 400:
            raise from_response(answer.status, answer.body, answer.headers)
        return decoded(answer.status, answer.body)

    def _written(self, method: str, path: str, body: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        if (method, path) == ("POST", BULK_PATH):
            return executed(self.operations, BulkRequest.model_validate(body)).model_dump(mode="json")
        found = named(method, path)
        if found is None:
            error = PrefactorClientError(f"{method} {path} cannot be done offline")
            error.add_note("writes that can: register, start and finish of instances, create and finish of spans, bulk")
            raise error
        name, in_path = found
        key = body.get("idempotency_key") or key
        return {"status": "success", **self.operations.run(name, {**body, **in_path}, key)}


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class AgentInstanceClient:
    """Runs of agents: ``client.agent_instances``.

    An instance whose run is to be stopped carries ``control``, ``{"terminate": bool, "reason": str | None}``, from the first
    answer on that said so; without such a signal it has no such attribute. One that another party ended is ``terminated``.
    """

    def __init__(self, http_client: PrefactorHttpClient) -> None:
        self._http_client = http_client

    async def register(
        self,
        agent_id: str,
        agent_version: dict[str, Any],
        agent_schema_version: dict[str, Any],
        id: str | None = None,
        idempotency_key: str | None = None,
        update_current_version: bool = True,
    ) -> AgentInstance:
        """A new pending instance.

        Its id is a PFID of the agent's account; where no id of that account is known, it begins with ``local-``, and the
        API's takes its place when it is synced (the local one stays good for calls here).

        Raises: PrefactorValidationError, PrefactorApiError 409 ``idempotency_key_reused``, ValueError for a key over 64
        characters.
        """

        def work() -> AgentInstance:
            return self._http_client.writes.register(
                agent_id,
                agent_version,
                agent_schema_version,
                id=id,
                key=idempotency_key,
                update_current_version=update_current_version,
            )

        return await asyncio.to_thread(work)

    async def start(
        self, agent_instance_id: str, timestamp: datetime | None = None, idempotency_key: str | None = None
    ) -> AgentInstance:
        """The instance, active since ``timestamp`` (now). One that is not in the local file was made elsewhere.

        Raises: PrefactorApiError 409 ``invalid_action`` when it is active or has ended, and as :meth:`register`.
        """
        return await asyncio.to_thread(
            lambda: self._http_client.writes.start(agent_instance_id, timestamp, key=idempotency_key)
        )

    async def finish(
        self,
        agent_instance_id: str,
        status: FinishStatus | None = None,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> AgentInstance:
        """The instance, finished at ``timestamp`` (now) as ``status`` (complete). It is sent after all its spans.

        Raises: PrefactorApiError 409 ``invalid_action`` when it has ended or is pending and not cancelled, and as
        :meth:`register`.
        """
        return await asyncio.to_thread(
            lambda: self._http_client.writes.finish(agent_instance_id, status, timestamp, key=idempotency_key)
        )


class AgentSpanClient:
    """Steps of a run: ``client.agent_spans``."""

    def __init__(self, http_client: PrefactorHttpClient) -> None:
        self._http_client = http_client

    async def create(
        self,
        agent_instance_id: str,
        schema_name: str,
        status: AgentStatus,
        payload: dict[str, Any] | None = None,
        result_payload: dict[str, Any] | None = None,
        id: str | None = None,
        parent_span_id: str | None = None,
        started_at: datetime | None = None,
        finished_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> AgentSpan:
        """A new span, started at ``started_at`` (now, unless pending).

        Raises: PrefactorNotFoundError for an instance that cannot exist, PrefactorValidationError for a parent that is no
        span of it or a result before the end, and as :meth:`AgentInstanceClient.register`.
        """
        request = CreateAgentSpanRequest(
            agent_instance_id=agent_instance_id,
            schema_name=schema_name,
            status=status,
            payload=payload or {},
            result_payload=result_payload,
            id=id,
            parent_span_id=parent_span_id,
        )
        return await asyncio.to_thread(
            lambda: self._http_client.writes.create_span(
                request, started_at=started_at, finished_at=finished_at, key=idempotency_key
            )
        )

    async def finish(
        self,
        agent_span_id: str,
        status: FinishStatus | None = None,
        result_payload: dict[str, Any] | None = None,
        timestamp: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> AgentSpan:
        """The span, finished at ``timestamp`` (now) as ``status`` (complete). Before its create was sent, both become one.

        Raises: PrefactorNotFoundError when it is not in the local file, PrefactorApiError 409 ``invalid_action`` when it has
        ended or is pending and not cancelled, and as :meth:`AgentInstanceClient.register`.
        """
        return await asyncio.to_thread(
            lambda: self._http_client.writes.finish_span(
                agent_span_id, status, result_payload, timestamp, key=idempotency_key
            )
        )


BULK_PATH = "/api/v1/bulk"


class BulkClient:
    """Operations done in the local file in order, each in a transaction of its own, up to the first that fails."""

    def __init__(self, http_client: PrefactorHttpClient) -> None:
        self._http_client = http_client

    async def execute(self, request: BulkRequest) -> BulkResponse:
        """Outputs by key; those behind the first error are missing, as the API leaves them. Lists are of the local file."""
        return await asyncio.to_thread(lambda: executed(self._http_client.operations, request))


def executed(operations: Operations, request: BulkRequest) -> BulkResponse:
    """The same, when called in a thread that may wait for the file."""
    outputs: dict[str, BulkOutput] = {}
    for item in request.items:
        output = outputs[item.idempotency_key] = BulkOutput.model_validate(_output(operations, item))
        if output.status == "error":
            break
    return BulkResponse(outputs=outputs)


def _output(operations: Operations, item: BulkItem) -> dict[str, Any]:
    if not operations.knows(item.type):
        return _error("not_supported", f"{item.type} cannot be done offline")
    try:
        return {"status": "success", **operations.run(item.type, item.model_extra or {}, item.idempotency_key)}
    except PrefactorApiError as exc:
        errors = getattr(exc, "errors", None)
        return _error(exc.code, str(exc)) | ({"errors": errors} if errors else {})


def _error(code: str, message: str) -> dict[str, Any]:
    return {"status": "error", "code": code, "message": message}
