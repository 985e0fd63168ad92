"""One word for each idea: tables and columns are called as the code, the JSON and the documentation call them.

Nothing is copied. SQLite and PostgreSQL rename a table or a column in the schema alone, so a large file takes no longer than
a small one. Only rows that hold a word that changed are written: rejected changes, and what runs and events say of them.
Tables that only the program needs begin with ``_``, so that lists of tables show first what people read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = {
    "attempt": "_attempt",
    "base": "_base",
    "caller_key": "_idempotency_key",
    "deployed": "_schema_drift",
    "event": "_event",
    "id_map": "_id_map",
    "made": "_created_here",
    "mark": "_checkpoint",
    "pruned": "_pruned",
    "remote_state": "_remote_state",
}
_COLUMNS = [
    ("_checkpoint", "position", "cursor"),
    ("_created_here", "made_at", "acked_at"),
    ("_pruned", "door", "outcome"),
    ("_schema_drift", "place", "endpoint"),
    ("ledger", "door", "outcome"),
    ("outbox", "due_at", "next_attempt_at"),
]
_VIEWS = ("v_pending", "v_conflicts", "v_lag")


def upgrade() -> None:
    for view in _VIEWS:
        op.execute(f"DROP VIEW {view}")
    with _past_broken_views():
        for old, new in _TABLES.items():
            op.execute(f"ALTER TABLE {old} RENAME TO {new}")
        for table, old, new in _COLUMNS:
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
    _say(*_WORDS)
    _views("next_attempt_at", "blocked_by", "pending", "rejected")


def downgrade() -> None:
    for view in _VIEWS:
        op.execute(f"DROP VIEW {view}")
    _say(*((new, old) for old, new in _WORDS))
    with _past_broken_views():
        for table, old, new in _COLUMNS:
            op.execute(f"ALTER TABLE {table} RENAME COLUMN {new} TO {old}")
        for old, new in _TABLES.items():
            op.execute(f"ALTER TABLE {new} RENAME TO {old}")
    _views("due_at", "behind_seq", "waiting", "parked")


@contextmanager
def _past_broken_views() -> Iterator[None]:
    """SQLite refuses a rename where a view or trigger of the user's own names a table that is gone; here it does not.

    The others get the new name where they name what is renamed.
    """
    op.execute("PRAGMA writable_schema=ON")
    try:
        yield
    finally:
        op.execute("PRAGMA writable_schema=OFF")


_WORDS = (("parked", "rejected"), ("taken", "cascaded"), ("held", "local_edits_kept"))
"""A state; a code and the kind of an event; a name in what a pull counted."""


def _say(state: tuple[str, str], cascade: tuple[str, str], count: tuple[str, str]) -> None:
    """Write the new word where the old one is stored, in one walk through each table; every other row stays as it is."""
    op.execute(
        f"UPDATE outbox SET state = CASE state WHEN '{state[0]}' THEN '{state[1]}' ELSE state END,"
        f" code = CASE code WHEN '{cascade[0]}' THEN '{cascade[1]}' ELSE code END"
        f" WHERE state = '{state[0]}' OR code = '{cascade[0]}'"
    )
    op.execute(f"UPDATE _event SET kind = '{cascade[1]}' WHERE kind = '{cascade[0]}'")
    for old, new in (state, count):  # objects of numbers: this text can only be the name of one
        op.execute(
            f"""UPDATE sync_run SET counts = replace(counts, '"{old}":', '"{new}":') WHERE counts LIKE '%"{old}":%'"""
        )


def _views(next_attempt_at: str, blocked_by: str, pending: str, rejected: str) -> None:
    op.execute(
        f"""
        CREATE VIEW v_pending AS
        SELECT o.seq, o.remote, o.model, o.key, o.op, o.state, o.attempts, o.{next_attempt_at},
               o.created_at, o.code, o.reason,
               (SELECT min(p.seq) FROM outbox p WHERE p.model = o.model AND p.key = o.key AND p.remote = o.remote
                AND p.seq < o.seq) AS {blocked_by}
        FROM outbox o ORDER BY o.seq
        """
    )
    op.execute(
        """
        CREATE VIEW v_conflicts AS
        SELECT id, remote, model, key, field, base, ours, theirs, detected_at, seq
        FROM conflict WHERE resolved_at IS NULL ORDER BY id
        """
    )
    op.execute(
        f"""
        CREATE VIEW v_lag AS
        SELECT remote, count(*) AS {pending}, min(created_at) AS oldest_at, max(attempts) AS most_attempts,
               sum(state IN ('{rejected}', 'conflict')) AS attention
        FROM outbox GROUP BY remote
        """
    )
