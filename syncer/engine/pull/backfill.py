"""Parents that come too late for the checkpoints of what is under them: noted, so that the next pull asks for that too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncer.engine.pull import checkpoint as checkpoints
from syncer.engine.pull.checkpoint import OVERLAP_S, minus
from syncer.engine.pull.partitions import endpoint_of, watching
from syncer.records import rows
from syncer.remote import Remote
from syncer.schema.model import Model
from syncer.store.database import Transaction


def remember(tx: Transaction, remote: Remote, model: Model, found: Sequence[tuple[Any, ...]]) -> None:
    """Before records are stored: of those that are new here, remember each that is too old for a checkpoint of what is under
    it.

    Whatever brings them, and whatever was selected: every selection has a checkpoint of its own.
    """
    place = endpoint_of(remote)
    for child, plan in watching(remote.models, model):
        for scope, checkpoint in checkpoints.begun(tx, child, f"each {plan.parent}", place):
            until = minus(checkpoint.cursor or checkpoint.started_at, OVERLAP_S)
            if until is not None:
                checkpoints.add_backfill(tx, child, scope, _new(tx, model, found, until))


def _new(tx: Transaction, model: Model, found: Sequence[tuple[Any, ...]], until: str) -> list[str]:
    """Keys of the records from before ``until`` that have no row yet."""
    of = rows.sql(model)
    at = of.names.index(model.changed_at)
    old = [of.key_of(values) for values in found if (values[at] or "") < until]
    known = rows.known(tx, model, old) if old else set()
    return [key for key in old if key not in known]
