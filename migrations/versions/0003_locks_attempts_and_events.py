"""Columns kept only here for tasks and scoring jobs; what was tried when, and what happened to records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plexus_task", sa.Column("lock_token", sa.Text()))
    op.add_column("plexus_task", sa.Column("lock_expires", sa.Text()))
    op.add_column("plexus_scoring_job", sa.Column("batch_id", sa.Text()))
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("code", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("request_id", sa.Text()),
    )
    op.create_index("ix_attempt_seq", "attempt", ["seq"])
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text()),
        sa.Column("note", sa.Text()),
    )
    op.create_index("ix_event_model_key", "event", ["model", "key"])
    op.create_table(
        "deployed",
        sa.Column("remote", sa.Text(), primary_key=True),
        sa.Column("place", sa.Text(), primary_key=True),
        sa.Column("model", sa.Text(), primary_key=True),
        sa.Column("field", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("seen_at", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pruned",
        sa.Column("door", sa.Text(), primary_key=True),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("highest", sa.Integer(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT count(*) FROM pruned")).scalar():
        raise RuntimeError("the older schema cannot account for changes that were pruned: keep this file")
    op.drop_table("pruned")
    op.drop_table("deployed")
    op.drop_table("event")
    op.drop_table("attempt")
    for table, columns in (("plexus_scoring_job", ("batch_id",)), ("plexus_task", ("lock_expires", "lock_token"))):
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.drop_column(column)
