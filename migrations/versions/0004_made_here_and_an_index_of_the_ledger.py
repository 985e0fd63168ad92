"""What left of a record is found without a walk through the ledger; what was made here is known after a prune."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_ledger_record", "ledger", ["model", "key"])
    op.create_table(
        "made",
        sa.Column("remote", sa.Text(), primary_key=True),
        sa.Column("model", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("made_at", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("made")
    op.drop_index("ix_ledger_record", "ledger")
