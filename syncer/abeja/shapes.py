"""Rows as the dicts that ``abeja-sdk`` returns.

Source: docs/remotes/abeja.md#runs
Source: docs/remotes/abeja.md#logs
"""

from __future__ import annotations

from typing import Any

from syncer import ids
from syncer.adapters.abeja.codec import USUAL_RETRIES
from syncer.adapters.abeja.spec import RUN
from syncer.outbox.queue import ChangeStatus
from syncer.remote import Row
from syncer.schema.values import json_decoded, to_python

Run = dict[str, Any]


def run(row: Row, standing: ChangeStatus | None) -> Run:
    """A run. Beside the platform's keys it has ``sync``: how far it came on its way there.

    ``{"state": "synced" or that of the change ("pending", "sending", "ambiguous", "rejected"), "op_id": the change's key or
    None, "error": {"code", "reason"} of the last failure or None}``.
    """
    seen = {**json_decoded(row.get("extra") or "{}"), **to_python(RUN, row)}
    del seen["organization_id"]  # the platform does not say it
    if ids.is_local(row["run_id"]):
        for name in ("models", "user_env_vars"):
            seen[name] = seen[name] or {}
        if seen["retry_count"] is None:
            seen["retry_count"] = USUAL_RETRIES
    failed = standing is not None and standing.code
    seen["sync"] = {
        "state": standing.state.value if standing else "synced",
        "op_id": standing.idem_key if standing else None,
        "error": {"code": standing.code, "reason": standing.reason} if standing and failed else None,
    }
    return seen


def event(row: Row) -> dict[str, Any]:
    """A log event."""
    return {"message": row["message"], "timestamp": row["timestamp"]}
