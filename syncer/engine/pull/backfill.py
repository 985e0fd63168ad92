"""Parents that come too late for the marks of what is under them: noted, so that the next pull asks for that too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncer.engine.pull import checkpoint
from syncer.engine.pull.checkpoint import OVERLAP_S, earlier
from syncer.engine.pull.partitions import place_of, watching
from syncer.records import rows
from syncer.remote import Remote
from syncer.schema.model import Model
from syncer.store.database import Transaction


def note(tx: Transaction, remote: Remote, model: Model, found: Sequence[tuple[Any, ...]]) -> None:
    """Before records are stored: of those that are new here, remember each that is too old for a mark of what is under it.

    Whatever brings them, and whatever was selected: every selection has a mark of its own.
    """
    place = place_of(remote)
    for child, plan in watching(remote.models, model):
        for scope, mark in checkpoint.begun(tx, child, f"each {plan.parent}", place):
            until = earlier(mark.cursor or mark.started_at, OVERLAP_S)
            if until is not None:
                checkpoint.add_unread(tx, child, scope, _new(tx, model, found, until))


def _new(tx: Transaction, model: Model, found: Sequence[tuple[Any, ...]], until: str) -> list[str]:
    """Keys of the records from before ``until`` that have no row yet."""
    of = rows.sql(model)
    at = of.names.index(model.changed_at)
    old = [of.key_of(values) for values in found if (values[at] or "") < until]
    known = rows.known(tx, model, old) if old else set()
    return [key for key in old if key not in known]
