"""ABEJA's models: runs of models and their log events. Source: spec/abeja.md 3, 4 and 7."""

from __future__ import annotations

from syncer.describe import Field, Index, Kind, Model, Origin, catalogue
from syncer.plans import Each, Listing
from syncer.words import integer, json_value, ref, text

FINAL_STATES = ("SUCCEEDED", "FAILED")
"""Statuses after which a run no longer changes."""


def _server(name: str) -> Field:
    """A time the platform sets; filled in with the local time of the call until it has answered."""
    return Field(name, Kind.TIME, origin=Origin.STAMP)


RUN = Model(
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
        integer("distribution"),
        text("status", required=True),
        json_value("user_env_vars"),
        _server("created_at"),
        _server("modified_at"),
    ),
    indexes=(Index("deployment_id", ("created_at",)), Index("status", ("created_at",))),
    key=("run_id",),
    changed_at="modified_at",
    time_digits=6,
    pull=Listing(setting="deployments", newest_first=True, unfinished=("status", FINAL_STATES)),
)

RUN_LOG_EVENT = Model(
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
    pull=Each("Run", ("run_id",), live=("status", FINAL_STATES), cursor="timestamp"),
)

MODELS = catalogue("abeja", (RUN, RUN_LOG_EVENT))
