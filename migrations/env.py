"""Alembic's entry: runs on the connection handed over by :mod:`syncer.store.migrate`."""

from __future__ import annotations

from alembic import context

from syncer import failpoints
from syncer.store.schema import METADATA


def run() -> None:
    """Apply the migrations inside the transaction that is already open, so that a failure undoes all of them."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        render_as_batch=True,
        transactional_ddl=True,
        compare_type=True,
        on_version_apply=lambda **_: failpoints.reached("migrating"),
    )
    context.run_migrations()


run()
