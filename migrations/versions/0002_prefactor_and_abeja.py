"""Tables for Prefactor and ABEJA, and the idempotency keys that callers bring."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TYPES = {"integer": sa.Integer, "float": sa.Float, "boolean": sa.Boolean}


def _mirror(table: str, columns: str, *, indexes: list[str], key: tuple[str, ...] = ("id",)) -> None:
    """A mirror table: ``columns`` are ``name`` (text) or ``name:type``; ``name?`` in an index may be NULL there."""
    parts = []
    for word in columns.split():
        name, _, kind = word.partition(":")
        parts.append(sa.Column(name, _TYPES.get(kind, sa.Text)(), nullable=name not in key))
    op.create_table(table, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{table}"))
    for index in indexes:
        names = [word.rstrip("?") for word in index.split()]
        sparse = " AND ".join(f"{word[:-1]} IS NOT NULL" for word in index.split() if word.endswith("?"))
        where = sa.text(sparse) if sparse else None
        op.create_index(f"ix_{table}_{'_'.join(names)}", table, names, sqlite_where=where)


def upgrade() -> None:
    op.create_table(
        "caller_key",
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("idem_key", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("remote", "idem_key", name="pk_caller_key"),
        sqlite_with_rowid=False,
    )
    _mirror(
        "prefactor_agent_instance",
        (
            "id account_id agent_id agent_version_id environment_id agent_deployment_id external_identifier "
            "status purpose termination_reason started_at finished_at inserted_at updated_at span_counts "
            "agent_version agent_schema_version update_current_version:boolean control extra"
        ),
        indexes=["agent_id status"],
    )
    _mirror(
        "prefactor_agent_span",
        (
            "id agent_instance_id parent_span_id account_id agent_id schema_name schema_title summary status "
            "payload result_payload started_at finished_at inserted_at updated_at extra"
        ),
        indexes=["agent_instance_id started_at?", "schema_name started_at?", "agent_instance_id", "parent_span_id?"],
    )
    _mirror(
        "abeja_run",
        (
            "run_id organization_id deployment_id model_version_id model_version models input_data "
            "output_template retry_count:integer distribution:integer status user_env_vars created_at modified_at "
            "extra"
        ),
        indexes=["deployment_id created_at", "status created_at"],
        key=("run_id",),
    )
    _mirror(
        "abeja_run_log_event",
        "id run_id timestamp occurrence:integer message extra",
        indexes=["run_id timestamp occurrence"],
    )


def downgrade() -> None:
    waiting = sa.text("SELECT count(*) FROM outbox WHERE remote IN ('prefactor', 'abeja')")
    count = op.get_bind().execute(waiting).scalar()
    if count:  # without their rows they could never be sent
        raise RuntimeError(f"{count} changes of Prefactor and ABEJA still wait: send or drop them first")
    for table in ("abeja_run_log_event", "abeja_run", "prefactor_agent_span", "prefactor_agent_instance", "caller_key"):
        op.drop_table(table)
