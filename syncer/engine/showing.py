"""All that a remote shows of a model, from the beginning, without a mark: what verify reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from syncer.cache import rows
from syncer.describe import Model
from syncer.engine.asking import Asking
from syncer.engine.parts import Parts
from syncer.engine.position import Part
from syncer.errors import RemoteRefused
from syncer.plans import Each, Listing
from syncer.port import Ask, Page, Remote
from syncer.store.database import Database


def shown(line: Asking, database: Database, remote: Remote, parts: Parts, model: Model) -> Iterator[Page]:
    """Pages of every part of ``model``, only with records of what is selected. Raises: RemoteError, UsageError."""
    plan = parts.plan(model)
    if isinstance(plan, Each) and not plan.changed:
        parent_model = remote.models[plan.parent]
        for parent in parts.parents(plan.parent):
            part = parts.children(model, plan, parent)
            row = database.read(lambda tx, p=parent: rows.get(tx, parent_model, p))  # type: ignore[misc]
            yield from _walked(line, part, Ask(part.asked, parent, None, None, remote.limits.page, row))
        return
    for part in parts.listing(model, plan) if isinstance(plan, Listing) else parts.of(model):
        start = part.since if part.cursor is not None else None
        yield from _walked(line, part, Ask(part.asked, part.value, start, None, remote.limits.page))


def _walked(line: Asking, part: Part, ask: Ask) -> Iterator[Page]:
    refused = False
    while True:
        try:
            page = line.page(ask)
        except RemoteRefused:
            if ask.token is None or refused:
                raise
            refused, ask = True, replace(ask, token=None)  # a token ends by itself after a time
            continue
        yield replace(page, rows=_wanted(part, page.rows))
        if page.token is None:
            return
        ask = replace(ask, token=page.token)


def _wanted(part: Part, found: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    if not part.only:
        return found
    names = [f.name for f in part.model.fields]
    tests = [(names.index(name), chosen) for name, chosen in part.only.items()]
    return [values for values in found if all(values[at] in chosen for at, chosen in tests)]
