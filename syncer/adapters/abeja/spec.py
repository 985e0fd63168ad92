"""ABEJA's models: runs of models and their log events.

Source: docs/remotes/abeja.md#runs
Source: docs/remotes/abeja.md#run-status
Source: docs/remotes/abeja.md#logs
"""

from __future__ import annotations

from syncer.schema.fields import integer, json_value, ref, text
from syncer.schema.model import Field, Index, Kind, Model, Origin, catalogue
from syncer.schema.pull import FullList, PerParent

FINAL_STATES = ("SUCCEEDED", "FAILED")
"""Statuses after which a run no longer changes."""


def _server(name: str) -> Field:
    """A time the platform sets; filled in with the local time of the call until it has answered."""
    return Field(name, Kind.TIME, origin=Origin.STAMP)


def _only_when_created(name: str) -> Field:
    """What the platform tells in the answer to a create alone: later records must not wipe it out."""
    return Field(name, Kind.INTEGER, origin=Origin.LOCAL)


_RUN = Model(
    "Run",
    fields=(
        Field("run_id", Kind.ID, required=True),
        text("organization_id", required=True),
        text("deployment_id", required=True),
        text("model_version_id"),
        text("model_version"),
        json_value("models"),
        json_value("input_data"),
        json_value("output_template"),
        integer("retry_count"),
        _only_when_created("distribution"),
        text("status", required=True),
        json_value("user_env_vars"),
        _server("created_at"),
        _server("modified_at"),
    ),
    indexes=(Index("deployment_id", ("created_at",)), Index("status", ("created_at",))),
    key=("run_id",),
    changed_at="modified_at",
    time_digits=6,
    ops=("create",),
    local_ids=True,
    pull=FullList(
        setting="deployments",
        needs="ABEJA_ORGANIZATION_ID and ABEJA_DEPLOYMENT_IDS",
        newest_first="created_at",
        unfinished=("status", FINAL_STATES),
    ),
)

_RUN_LOG_EVENT = Model(
    "RunLogEvent",
    fields=(
        Field("id", Kind.ID, required=True),
        ref("run_id", "Run", "logs", required=True),
        text("timestamp", required=True),
        integer("occurrence", required=True),
        text("message", required=True),
    ),
    indexes=(Index("run_id", ("timestamp", "occurrence")),),
    changed_at="timestamp",
    time_digits=6,
    ops=(),
    pull=PerParent("Run", ("run_id",), live=("status", FINAL_STATES), cursor="timestamp"),
)

MODELS = catalogue("abeja", (_RUN, _RUN_LOG_EVENT))
RUN, RUN_LOG_EVENT = MODELS["Run"], MODELS["RunLogEvent"]
