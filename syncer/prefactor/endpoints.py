"""The endpoints of instances and spans: the original's methods, done in the local file.

Each returns once its write is durable, with the record as the API would answer it: ids the API alone knows are empty texts
until synced, times are those of the call, and naive datetimes mean UTC. Nothing here waits for the network.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.prefactor.models import AgentInstance, AgentSpan, AgentStatus, CreateAgentSpanRequest, FinishStatus

if TYPE_CHECKING:
    from syncer.prefactor.client import PrefactorHttpClient


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
