"""Prefactor's models: agent instances and their spans.

Source: docs/remotes/prefactor.md#records
Source: docs/remotes/prefactor.md#lifecycle
Source: docs/remotes/prefactor.md#paging
"""

from __future__ import annotations

from syncer.schema.fields import identity, json_value, ref, stamp, text, time
from syncer.schema.model import Action, Field, Index, Kind, Model, Origin, catalogue
from syncer.schema.pull import FullList, PerParent

FINAL_STATES = ("complete", "failed", "cancelled", "terminated")
"""Statuses after which a record no longer changes."""


def _ours(name: str, kind: Kind = Kind.JSON) -> Field:
    """A field the remote is told but never answers."""
    return Field(name, kind, origin=Origin.LOCAL)


AGENT_INSTANCE = Model(
    "AgentInstance",
    fields=(
        identity(),
        text("account_id"),
        text("agent_id", required=True),
        text("agent_version_id"),
        text("environment_id"),
        text("agent_deployment_id"),
        text("external_identifier"),
        text("status", required=True),
        text("purpose"),
        text("termination_reason"),
        time("started_at"),
        time("finished_at"),
        stamp("inserted_at"),
        stamp("updated_at"),
        json_value("span_counts"),
        _ours("agent_version"),
        _ours("agent_schema_version"),
        _ours("update_current_version", Kind.BOOLEAN),
        _ours("control"),
    ),
    indexes=(Index("agent_id", ("status",)),),
    actions=(Action("start"), Action("finish", after=("AgentSpan", "agent_instance_id"))),
    changed_at="updated_at",
    time_digits=6,
    pull=FullList(field="agent_id", unfinished=("status", FINAL_STATES)),
)

AGENT_SPAN = Model(
    "AgentSpan",
    fields=(
        identity(),
        ref("agent_instance_id", "AgentInstance", "spans", required=True, waits_for=("create", "start")),
        ref("parent_span_id", "AgentSpan", "children"),
        text("account_id"),
        text("agent_id"),
        text("schema_name", required=True),
        text("schema_title"),
        text("summary"),
        text("status", required=True),
        json_value("payload"),
        json_value("result_payload"),
        time("started_at"),
        time("finished_at"),
        stamp("inserted_at"),
        stamp("updated_at"),
    ),
    indexes=(Index("agent_instance_id", ("started_at",)), Index("schema_name", ("started_at",))),
    actions=(Action("finish", coalesces=True),),
    changed_at="updated_at",
    time_digits=6,
    pull=PerParent("AgentInstance", ("agent_instance_id",), live=("status", FINAL_STATES)),
)

MODELS = catalogue("prefactor", (AGENT_INSTANCE, AGENT_SPAN))
