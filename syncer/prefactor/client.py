"""The client: prefactor-http's class over the local file.

>>> async with PrefactorHttpClient(HttpClientConfig(api_url="...", api_token="...")) as client:
...     instance = await client.agent_instances.register(agent_id, {"name": "v1"}, {})

Calls are stored and return; ``syncer sync`` sends them, with the address and token of the settings (``PREFACTOR_API_URL``,
``PREFACTOR_API_TOKEN``). Those of the configuration serve :meth:`PrefactorHttpClient.request` with GET, nothing else, and
are never stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

from syncer.errors import SettingError
from syncer.http.session import Session, checked_secret, checked_url
from syncer.prefactor.bulk import BULK_PATH, BulkClient, executed
from syncer.prefactor.config import HttpClientConfig
from syncer.prefactor.endpoints import AgentInstanceClient, AgentSpanClient
from syncer.prefactor.errors import PrefactorClientError, decoded, from_response
from syncer.prefactor.models import BulkRequest
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
        from syncer.app import shared  # the one way up: a client without a workspace stands on the environment's

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
