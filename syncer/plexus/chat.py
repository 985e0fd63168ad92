"""Chat sessions and their messages, as plain dicts, for programs that await them.

Every call works on the local file in a thread of its own, so that the event loop goes on. Answers have the fields the
dashboard's own calls ask for: times as text, ``metadata`` decoded. An "experiment" is a procedure in today's words:
``experimentId`` may be given for ``procedureId``.

Source: docs/remotes/plexus.md#chat
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syncer import clock
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import InvalidInput
from syncer.plexus.convert import inputs
from syncer.records.api import UnitOfWork
from syncer.schema.model import Kind

if TYPE_CHECKING:
    from syncer.plexus.resolution import Resolution
    from syncer.records.api import Records

_SESSION, _MESSAGE = MODELS["ChatSession"], MODELS["ChatMessage"]
_UPDATED = ("id", "accountId", "scorecardId", "scoreId", "procedureId", "status", "metadata", "createdAt", "updatedAt")
_SESSION_SHOWN = (*_UPDATED[:5], "name", "category", *_UPDATED[5:])
_MESSAGE_SHOWN = ("id", "sessionId", "procedureId", "role", "content", "metadata", "createdAt")
_STEP = timedelta(milliseconds=1)
_SKEW = timedelta(minutes=1)


class ChatCalls:
    """The chat calls of a client."""

    if TYPE_CHECKING:
        _resolution: Resolution

        @property
        def records(self) -> Records:
            """The Plexus records of the local file."""
            ...

    async def create_chat_session(self, session_data: dict[str, Any]) -> dict[str, Any]:
        """The new session: id, accountId, scorecardId, scoreId, procedureId, name, category, status, metadata, createdAt,
        updatedAt.

        ``session_data``: its fields by Plexus's names; ``accountId`` is the client's unless given. Raises: InvalidInput,
        RecordNotFound (both ValueErrors).
        """
        return await asyncio.to_thread(self._create_session, session_data)

    async def update_chat_session(self, update_data: dict[str, Any]) -> dict[str, Any]:
        """The session ``update_data["id"]`` with the other fields of ``update_data`` set; as of :meth:`create_chat_session`,
        less name and category.

        Raises: InvalidInput, RecordNotFound (both ValueErrors).
        """
        return await asyncio.to_thread(self._update_session, update_data)

    async def get_chat_session(self, session_id: str) -> dict[str, Any] | None:
        """The session with this id as of :meth:`create_chat_session`, None when the local file has none."""
        record = await asyncio.to_thread(self.records.get, "ChatSession", session_id)
        return None if record is None else _shown(record, _SESSION_SHOWN)

    async def create_chat_message(self, message_data: dict[str, Any]) -> dict[str, Any]:
        """The new message: id, sessionId, procedureId, role, content, metadata, createdAt.

        ``message_data``: its fields by Plexus's names, ``sessionId`` and ``content`` among them; ``responseStatus`` is
        COMPLETED unless given. Messages of one session get times in the order of these calls. Raises: InvalidInput (a
        ValueError).
        """
        return await asyncio.to_thread(self._create_message, message_data)

    async def list_chat_messages(
        self,
        session_id: str | None = None,
        experiment_id: str | None = None,
        limit: int = 50,
        sort_by: str = "createdAt",
    ) -> list[dict[str, Any]]:
        """At most ``limit`` messages of a session, oldest first, as of :meth:`create_chat_message`.

        With ``experiment_id`` those of a procedure instead, newest first unless ``sort_by`` is "createdAt". Raises:
        InvalidInput (a ValueError) when neither is given.
        """
        if experiment_id:
            where, order = {"procedureId": experiment_id}, "createdAt" if sort_by == "createdAt" else "-createdAt"
        elif session_id:
            where, order = {"sessionId": session_id}, "createdAt"
        else:
            raise InvalidInput("no messages are named", hint="give session_id or experiment_id")
        found = await asyncio.to_thread(self.records.find, "ChatMessage", where, order_by=order, limit=limit)
        return [_shown(record, _MESSAGE_SHOWN) for record in found]

    async def list_chat_sessions(
        self, account_id: str | None = None, experiment_id: str | None = None, limit: int = 20
    ) -> list[dict[str, Any]]:
        """At most ``limit`` sessions of a procedure, the newest first, or of an account (by default the client's), the one
        changed last first; as of :meth:`create_chat_session`.

        Raises: InvalidInput, RecordNotFound (both ValueErrors) when neither is given and the client knows no account.
        """
        return await asyncio.to_thread(self._sessions, account_id, experiment_id, limit)

    def _create_session(self, given: dict[str, Any]) -> dict[str, Any]:
        fields = inputs(_SESSION, _renamed(given))
        fields["accountId"] = fields.get("accountId") or self._resolution.account_id()
        return _shown(self.records.create("ChatSession", fields), _SESSION_SHOWN)

    def _update_session(self, given: dict[str, Any]) -> dict[str, Any]:
        changes = inputs(_SESSION, _renamed(given))
        session_id = changes.pop("id", None)
        if not session_id:
            raise InvalidInput("no session is named", hint="update_data needs the id of the session")
        return _shown(self.records.update("ChatSession", session_id, changes), _UPDATED)

    def _create_message(self, given: dict[str, Any]) -> dict[str, Any]:
        fields = inputs(_MESSAGE, _renamed(given))
        with self.records.transaction() as unit:
            if not fields.get("createdAt"):
                fields["createdAt"] = _next_time(unit, fields.get("sessionId"))
            return _shown(unit.create("ChatMessage", fields), _MESSAGE_SHOWN)

    def _sessions(self, account_id: str | None, procedure_id: str | None, limit: int) -> list[dict[str, Any]]:
        where = {"procedureId": procedure_id} if procedure_id else {"accountId": account_id or self._resolution.account_id()}
        order = "-createdAt" if procedure_id else "-updatedAt"
        found = self.records.find("ChatSession", where, order_by=order, limit=limit)
        return [_shown(record, _SESSION_SHOWN) for record in found]


def _next_time(unit: UnitOfWork, session_id: Any) -> str:
    """Now, or just behind the session's last message: two in one millisecond would have no order.

    A time far ahead of ours is somebody's wrong clock and not followed.
    """
    now = clock.now()
    last = unit.find("ChatMessage", {"sessionId": session_id}, order_by="-createdAt", limit=1) if session_id else []
    after = clock.parsed(last[0]["createdAt"]) + _STEP if last else now
    return clock.stored(after if now < after < now + _SKEW else now)


def _renamed(given: dict[str, Any]) -> dict[str, Any]:
    fields = dict(given)
    experiment_id = fields.pop("experimentId", None)
    if experiment_id is not None:
        fields.setdefault("procedureId", experiment_id)
    return fields


def _shown(record: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """These fields as the remote would answer them."""
    return {name: _as_answered(name, record[name]) for name in names}


def _as_answered(name: str, value: Any) -> Any:
    field = _SESSION.by_name.get(name) or _MESSAGE.by_name[name]
    return clock.usual_text(value) if value is not None and field.kind is Kind.TIME else value
