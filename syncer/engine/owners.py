"""Who has the natural keys of waiting upserts: what to ask, and what the remote's records say to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncer.cache import rows
from syncer.describe import Model
from syncer.engine.asking import Asking
from syncer.outbox import queue
from syncer.plans import Natural
from syncer.port import Change, Op, Row
from syncer.store.database import Transaction

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """An upsert, and the values it is looked for by: for each natural key of its model none, one or several."""

    change: Change
    by: tuple[tuple[Values, ...], ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """The remote's record that a wish is about, and how many others answer to it too."""

    record: Row
    others: int = 0


def wishes(tx: Transaction, models: Mapping[str, Model], model: Model, seqs: Sequence[int]) -> list[Wish]:
    """What to ask for the upserts ``seqs``; those whose parents are not there yet have to wait for them."""
    all_models = {model.remote: models}
    changes = [c for c in (queue.by_seq(tx, seq, all_models) for seq in seqs) if c is not None]
    found = rows.get_many(tx, model, [c.key for c in changes])
    unsent = _unsent_parents(tx, models, model, found.values())
    return [
        Wish(change, tuple(_values(tx, models, natural, change.key, found.get(change.key, {})) for natural in model.natural))
        for change in changes
        if not any((f.ref, found.get(change.key, {}).get(f.name)) in unsent for f in model.references)
    ]


def _unsent_parents(
    tx: Transaction, models: Mapping[str, Model], model: Model, found: Iterable[Row]
) -> set[tuple[str | None, str]]:
    """(model, key) of the records that ``found`` refer to and whose creates wait."""
    wanted: dict[str, set[str]] = {}
    for row in found:
        for f in model.references:
            if f.ref is not None and f.ref in models and row.get(f.name) is not None and not f.back:
                wanted.setdefault(f.ref, set()).add(row[f.name])
    return {
        (name, key)
        for name, keys in wanted.items()
        for key, ops in queue.waiting_ops(tx, models[name], keys).items()
        if Op.CREATE in ops
    }


def _values(tx: Transaction, models: Mapping[str, Model], natural: Natural, key: str, row: Row) -> tuple[Values, ...]:
    if not natural.child:
        told: Sequence[Row] = [row]
    else:
        child = models[natural.child]
        under = rows.get_many(tx, child, rows.keys_where(tx, child, natural.pointer, key))
        told = sorted(under.values(), key=lambda r: (r.get(natural.order) or 0, child.key_text(r)))
    return tuple({n: r[n] for n in natural.fields} for r in told if all(r.get(n) for n in natural.fields))


def owners(line: Asking, models: Mapping[str, Model], model: Model, wanted: Sequence[Wish]) -> dict[int, Owner]:
    """The owners of those ``wanted`` that have one, by number: the best way of finding one first. Raises: RemoteError."""
    found: dict[int, Owner] = {}
    for n, natural in enumerate(model.natural):
        asking = [wish for wish in wanted if wish.by[n] and wish.change.seq not in found]
        answers = _answers(line, models, model, natural, [values for wish in asking for values in wish.by[n]])
        start = 0
        for wish in asking:
            count = len(wish.by[n])
            owner = _first(model, answers[start : start + count])
            start += count
            if owner is not None:
                found[wish.change.seq] = owner
    return found


def _answers(
    line: Asking, models: Mapping[str, Model], model: Model, natural: Natural, wanted: Sequence[Values]
) -> list[list[Row]]:
    """The records of ``model`` that answer to each of ``wanted``."""
    if not wanted:
        return []
    if not natural.child:
        return line.seek(model, wanted)
    found = line.seek(models[natural.child], wanted)
    keys = {str(row[natural.pointer]) for several in found for row in several}
    there = line.fetch(model, {key: {} for key in sorted(keys)}) if keys else {}
    pointed = [dict.fromkeys(str(row[natural.pointer]) for row in several) for several in found]
    return [[record for key in several if (record := there.get(key)) is not None] for several in pointed]


def _first(model: Model, answers: Sequence[Sequence[Row]]) -> Owner | None:
    """The oldest record of the first answer that has any: the same one wherever and whenever it is asked for."""
    everyone = {model.key_text(record) for several in answers for record in several}
    for several in answers:
        if several:
            record = min(several, key=lambda r: (r.get("createdAt") or "~", model.key_text(r)))
            return Owner(record, len(everyone) - 1)
    return None
