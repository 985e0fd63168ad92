"""The bookkeeping tables: what waits, what left, how far pulls came. All in the user's own file, plain to read.

Times are stored-form text (UTC). ``remote`` and ``model`` are names as the remote spells them; ``key`` is the record's key
text. An index exists only where a hot path needs it: every one is another page per write.
"""

from __future__ import annotations

import sqlalchemy as sa

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

METADATA = sa.MetaData(naming_convention=NAMING)


def _text(name: str, *, null: bool = True) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    _text("remote", null=False),
    _text("model", null=False),
    _text("key", null=False),
    _text("op", null=False),  # create, update, delete
    _text("fields"),  # JSON list of the fields an update sets; their values are the row's
    _text("state", null=False),  # pending, sending, ambiguous, rejected, conflict
    sa.Column("attempts", sa.Integer, nullable=False),
    _text("next_attempt_at"),  # NULL: now
    _text("created_at", null=False),
    _text("idem_key", null=False),  # goes with the body; a new body gets a new one
    _text("body"),  # what is sent, serialized at the first attempt
    _text("body_hash"),
    _text("attempted_at"),
    _text("code"),  # of the last failure
    _text("reason"),
    sqlite_autoincrement=True,  # a number, once used, never names another change
)
sa.Index("ix_outbox_record", OUTBOX.c.model, OUTBOX.c.key)

LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    _text("remote", null=False),
    _text("model", null=False),
    _text("key", null=False),
    _text("op", null=False),
    _text("fields"),
    _text("outcome", null=False),  # acked, superseded, discarded
    sa.Column("by_seq", sa.Integer),  # the later change that took over a superseded one
    sa.Column("attempts", sa.Integer, nullable=False),
    _text("created_at", null=False),
    _text("left_at", null=False),
    _text("idem_key"),
    _text("body_hash"),
    _text("reason"),
)
sa.Index("ix_ledger_record", LEDGER.c.model, LEDGER.c.key)

PRUNED = sa.Table(
    "_pruned",  # changes whose lines were removed from the ledger, so that it closes without them
    METADATA,
    sa.Column("outcome", sa.Text, primary_key=True),
    sa.Column("changes", sa.Integer, nullable=False),
    sa.Column("highest", sa.Integer, nullable=False),  # the largest of their numbers
    sqlite_with_rowid=False,
)

CREATED_HERE = sa.Table(
    "_created_here",  # records whose acknowledged creates were pruned: that they were created here stays known
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("acked_at", null=False),  # when it was acknowledged
    sqlite_with_rowid=False,
)

BASE = sa.Table(
    "_base",
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("record", null=False),  # JSON: the last remote record seen, stored values; only while edits wait
    sqlite_with_rowid=False,
)

CHECKPOINT = sa.Table(
    "_checkpoint",
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True),  # hash of filter and partition
    _text("partition"),  # what the scope means, for people
    _text("cursor"),  # where the next pull starts
    _text("token"),  # page token in the middle of a pull
    _text("highest"),  # largest cursor seen so far in the middle of a pull
    _text("started_at"),  # when the pull in the middle began, on the server's clock
    _text("complete_at"),  # when a pull last reached its end
    sqlite_with_rowid=False,
)

CONFLICT = sa.Table(
    "conflict",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("remote", null=False),
    _text("model", null=False),
    _text("key", null=False),
    sa.Column("seq", sa.Integer),  # the change that waits for the resolution
    _text("field"),  # NULL: the record as a whole
    _text("base"),  # JSON values, all three
    _text("ours"),
    _text("theirs"),
    _text("detected_at", null=False),
    _text("resolved_at"),
    _text("resolution"),
)
sa.Index("ix_conflict_record", CONFLICT.c.model, CONFLICT.c.key)

ID_MAP = sa.Table(
    "_id_map",
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("local_id", sa.Text, primary_key=True),
    _text("remote_id", null=False),
    _text("mapped_at", null=False),
    sqlite_with_rowid=False,
)

IDEMPOTENCY_KEY = sa.Table(
    "_idempotency_key",
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("idem_key", sa.Text, primary_key=True),
    _text("model", null=False),
    _text("key", null=False),
    _text("fingerprint", null=False),  # of what was asked under it; asking for something else is an error
    sqlite_with_rowid=False,
)

ATTEMPT = sa.Table(
    "_attempt",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),  # the change it was an attempt of
    sa.Column("number", sa.Integer, nullable=False),
    _text("at", null=False),
    _text("ended_at"),
    _text("outcome"),  # NULL: no answer was settled
    _text("code"),
    _text("reason"),
    _text("request_id"),  # what the remote calls the request
)
sa.Index("ix_attempt_seq", ATTEMPT.c.seq)

EVENT = sa.Table(
    "_event",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("remote", null=False),
    _text("model", null=False),
    _text("key", null=False),
    _text("at", null=False),
    _text("kind", null=False),  # pulled, merged, renamed, swept, repaired, cascaded
    _text("fields"),  # JSON list
    _text("note"),
)
sa.Index("ix_event_model_key", EVENT.c.model, EVENT.c.key)

SCHEMA_DRIFT = sa.Table(
    "_schema_drift",  # how deployments differ from what is described
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("endpoint", sa.Text, primary_key=True),  # its address
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),  # empty: the model as a whole
    sa.Column("kind", sa.Text, primary_key=True),  # unknown, absent, unsent, demanded, nowhere
    _text("seen_at", null=False),
    sqlite_with_rowid=False,
)

REMOTE_STATE = sa.Table(
    "_remote_state",
    METADATA,
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("fence", sa.Integer, nullable=False),  # rises with every lease; an old one may not commit
    _text("lease_owner"),
    _text("lease_until"),
    _text("hold_until"),  # the remote asked us to wait this long
    _text("hold_reason"),
    sqlite_with_rowid=False,
)

SYNC_RUN = sa.Table(
    "sync_run",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    _text("remote", null=False),
    _text("kind", null=False),  # push, pull
    _text("started_at", null=False),
    _text("ended_at"),
    _text("outcome"),  # done, attention, unreachable, access-refused ...
    _text("counts"),  # JSON
    _text("reason"),
)
