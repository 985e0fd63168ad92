"""Procedures, chat sessions and messages."""

from __future__ import annotations

from syncer.schema.fields import boolean, choice, identity, integer, json_value, ref, server_time, stamp, text, texts, time
from syncer.schema.model import Index, Model
from syncer.schema.pull import Incremental, PerParent

PROCEDURE = Model(
    "Procedure",
    fields=(
        identity(),
        text("name", required=True),
        text("description"),
        boolean("featured"),
        boolean("isTemplate"),
        ref("parentProcedureId", "Procedure", "childProcedures"),
        text("code"),
        texts("attachedFiles"),
        text("category"),
        text("version"),
        boolean("isDefault"),
        text("status"),
        ref("waitingOnMessageId", "ChatMessage", back=True, nested=False),
        json_value("metadata"),
        stamp("createdAt"),
        stamp("updatedAt"),
        ref("accountId", "Account", "procedures", required=True),
        ref("scorecardId", "Scorecard", "procedures"),
        ref("scoreId", "Score", "procedures"),
        ref("scoreVersionId", "ScoreVersion", "procedures"),
        ref("createdByUserId", "User", "procedures"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("accountId", ("createdAt",)),
        Index("scorecardId", ("updatedAt",)),
        Index("scoreId", ("updatedAt",)),
        Index("scoreVersionId", ("updatedAt",)),
        Index("parentProcedureId", ("updatedAt",)),
        Index("category", ("version",), name="byCategory"),
        Index("status", ("updatedAt",), name="byStatus"),
        Index("createdByUserId"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)


CHAT_SESSION = Model(
    "ChatSession",
    fields=(
        identity(),
        ref("accountId", "Account", "chatSessions", required=True),
        ref("scorecardId", "Scorecard", "chatSessions"),
        ref("scoreId", "Score", "chatSessions"),
        ref("procedureId", "Procedure", "chatSessions"),
        text("name"),
        text("category"),
        choice("status", "ACTIVE", "COMPLETED", "ERROR"),
        json_value("metadata"),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("procedureId", ("createdAt",)),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)


CHAT_MESSAGE = Model(
    "ChatMessage",
    fields=(
        identity(),
        ref("accountId", "Account", "chatMessages"),
        ref("createdByUserId", "User", nested=False),
        ref("sessionId", "ChatSession", "messages", required=True),
        ref("procedureId", "Procedure", "chatMessages"),
        choice("role", "USER", "ASSISTANT", "SYSTEM", "TOOL"),
        choice(
            "humanInteraction",
            "INTERNAL",
            "CHAT",
            "CHAT_ASSISTANT",
            "NOTIFICATION",
            "ALERT_INFO",
            "ALERT_WARNING",
            "ALERT_ERROR",
            "ALERT_CRITICAL",
            "PENDING_APPROVAL",
            "PENDING_INPUT",
            "PENDING_REVIEW",
            "PENDING_ESCALATION",
            "RESPONSE",
            "TIMED_OUT",
            "CANCELLED",
        ),
        text("content", required=True),
        json_value("metadata"),
        choice("messageType", "MESSAGE", "TOOL_CALL", "TOOL_RESPONSE"),
        text("toolName"),
        json_value("toolParameters"),
        json_value("toolResponse"),
        ref("parentMessageId", "ChatMessage", "childMessages"),
        integer("sequenceNumber"),
        text("responseTarget"),
        choice("responseStatus", "PENDING", "RUNNING", "COMPLETED", "FAILED", fill_in="COMPLETED"),
        text("responseOwner"),
        time("responseStartedAt"),
        time("responseCompletedAt"),
        text("responseError"),
        stamp("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(
        Index("sessionId", ("sequenceNumber",)),
        Index("sessionId", ("createdAt",)),
        Index("procedureId", ("createdAt",)),
        Index("parentMessageId"),
        Index("humanInteraction", ("createdAt",)),
        Index("accountId", ("createdAt",)),
        Index("responseTarget", ("responseStatus", "createdAt")),
    ),
    pull=PerParent("ChatSession", ("sessionId", "createdAt"), live=("status", ("COMPLETED", "ERROR"))),
)

MODELS = (PROCEDURE, CHAT_SESSION, CHAT_MESSAGE)
