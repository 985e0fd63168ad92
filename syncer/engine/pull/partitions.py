"""In which parts a model is asked for, under what is selected, and by which parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from syncer.engine.pull import checkpoint
from syncer.engine.pull.checkpoint import OVERLAP_S, Part
from syncer.engine.pull.selection import Selection, chosen_fields
from syncer.records import rows
from syncer.remote import Remote
from syncer.schema.model import Model
from syncer.schema.pull import ByKey, Each, Listing, Pull, Scan, Since
from syncer.store.database import Database, Transaction
from syncer.suggest import near

_KEYS_A_READ = 500


class Parts:
    """The parts of every model of a remote, found in what the local file knows when they are asked for."""

    def __init__(self, database: Database, remote: Remote, selection: Selection) -> None:
        self._database = database
        self._models = remote.models
        self._remote = remote.name
        self._selection = selection
        self._settings = remote.partitions()
        self._place = place_of(remote)
        self._keys: dict[str, frozenset[str]] = {}

    def walked_before(self, tx: Transaction) -> bool:
        """Whether a part of any model was ever walked to its end at the present address."""
        return checkpoint.completed(tx, self._remote, self._place)

    def plan(self, model: Model) -> Pull:
        """How the model is pulled: by the index that shows no more than what is selected, where there is one."""
        plan = model.pull
        if isinstance(plan, Since):
            known = {index.fields for index in model.indexes}
            for name, target in chosen_fields(model, self._models, self._selection):
                index = (name, *plan.index[1:])
                if target.name != plan.parent and index in known:
                    return replace(plan, parent=target.name, index=index)
        return plan

    def of(self, model: Model) -> Iterator[Part]:
        """The parts of a model that is walked part by part, each with a mark of its own."""
        plan = self.plan(model)
        if isinstance(plan, Since):
            for parent in self.parents(plan.parent):
                yield self._part(model, plan, plan.index[0], parent, plan.cursor, plan.overlap_s)
        elif isinstance(plan, Each) and plan.changed:
            for parent in self.parents(plan.parent):
                yield self._part(model, plan, plan.index[0], parent)
        elif isinstance(plan, ByKey):
            for value in self._selection.names(model) or self._settings.get(plan.setting, ()):
                yield self._part(model, plan, plan.field, value)
        elif isinstance(plan, Scan):
            yield self._part(model, plan, None, None)

    def listing(self, model: Model, plan: Listing) -> Iterator[Part]:
        """The lists of a model that is pulled so."""
        values = self._settings.get(plan.setting or "", ())
        if plan.setting is None:
            values = self._database.read(lambda tx: rows.distinct(tx, model, plan.field or ""))
        since = self._selection.since if plan.newest_first else None
        for value in values:
            scope = checkpoint.scope_named(f"list {value}", self._place, f"since {since}" if since else "")
            yield Part(model, model, scope, plan.field, value, since=since)

    def children(self, model: Model, plan: Each, parent: str) -> Part:
        """The records under one parent, where the mark is of all parents together."""
        return replace(self._part(model, plan, plan.index[0], parent), scope=self.each_scope(plan))

    def each_scope(self, plan: Each) -> str:
        """The scope of the mark that all parents share."""
        chosen = (f"{entry}={','.join(sorted(names))}" for entry, names in sorted(self._selection.chosen.items()))
        return checkpoint.scope_named(f"each {plan.parent}", self._place, *chosen)

    def _part(
        self,
        model: Model,
        plan: Pull,
        field: str | None,
        value: str | None,
        cursor: str | None = None,
        overlap_s: float = OVERLAP_S,
    ) -> Part:
        only = {
            name: self._chosen(target)
            for name, target in chosen_fields(model, self._models, self._selection)
            if name != field
        }
        since = self._selection.since if cursor is not None else None
        filters = [f"{name} in {','.join(sorted(keys))}" for name, keys in only.items()]
        scope = checkpoint.scope_named(
            "all" if field is None else f"{field}={value}", self._place, f"since {since}" if since else "", *filters
        )
        changed = isinstance(plan, Each) and plan.changed
        asked = model if plan == model.pull else _asked(model, plan)
        return Part(model, asked, scope, field, value, cursor, overlap_s, changed, since, only)

    def parents(self, name: str) -> Iterator[str]:
        """Keys of the parent model's rows that are selected, in order, a few at a time."""
        model = self._models[name]
        if self._selection.names(model):
            yield from self.kept(model, sorted(self._chosen(model)))
            return
        last = ""
        while True:
            keys = self._database.read(lambda tx, after=last: rows.some_keys(tx, model, after, _KEYS_A_READ))  # type: ignore[misc]
            yield from self.kept(model, keys)
            if len(keys) < _KEYS_A_READ:
                return
            last = keys[-1]

    def kept(self, model: Model, keys: list[str]) -> list[str]:
        """Those of ``keys`` whose rows belong to what is chosen."""
        wanted = {n: self._chosen(target) for n, target in chosen_fields(model, self._models, self._selection)}
        if self._selection.names(model):
            chosen = self._chosen(model)
            keys = [key for key in keys if key in chosen]
        if not wanted:
            return keys
        kept: list[str] = []
        for start in range(0, len(keys), _KEYS_A_READ):
            part = keys[start : start + _KEYS_A_READ]
            found = self._database.read(lambda tx, part=part: rows.get_many(tx, model, part))  # type: ignore[misc]
            kept += [key for key in part if key in found and all(found[key].get(n) in w for n, w in wanted.items())]
        return kept

    def _chosen(self, model: Model) -> frozenset[str]:
        """Keys of the chosen records of ``model``. Raises: UsageError for a name that no record here answers to."""
        if model.name not in self._keys:
            self._keys[model.name] = self._database.read(lambda tx: self._looked_up(tx, model))
        return self._keys[model.name]

    def _looked_up(self, tx: Transaction, model: Model) -> frozenset[str]:
        found: set[str] = set()
        fields = model.chosen.names if model.chosen else ()
        for name in self._selection.names(model):
            keys = [key for field in fields for key in rows.keys_where(tx, model, field, name)]
            if not keys:
                entry = model.chosen.entry if model.chosen else ""
                known = dict.fromkeys(text for field in fields for text in rows.distinct(tx, model, field))
                fetch = f"fetch them first: syncer pull {model.remote} --model {model.name}"
                hint = near(name, known) or (f"known are: {_some(known)}" if known else fetch)
                raise self._selection.wrong(entry, f"{entry} names no {model.name} that is known here: {name!r}", hint)
            found.update(keys)
        return frozenset(found)


def place_of(remote: Remote) -> str | None:
    """The address of a remote, without which marks say nothing."""
    return next(iter(remote.partitions().get("place", ())), None)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:10]) + (" ..." if len(listed) > 10 else "")


def watching(models: Mapping[str, Model], parent: Model) -> Iterator[tuple[Model, Each]]:
    """The models that are asked for by live records of ``parent`` only, with their plans."""
    for model in models.values():
        if isinstance(model.pull, Each) and model.pull.parent == parent.name and model.pull.live is not None:
            yield model, model.pull


@cache
def _asked(model: Model, plan: Pull) -> Model:
    return replace(model, pull=plan)
