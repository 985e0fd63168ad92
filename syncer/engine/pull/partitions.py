"""In which partitions a model is asked for, under what is selected, and by which parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from syncer.engine.pull import checkpoint as checkpoints
from syncer.engine.pull.checkpoint import OVERLAP_S, Partition
from syncer.engine.pull.selection import Selection, chosen_fields
from syncer.records import rows
from syncer.remote import Remote
from syncer.schema.model import Model
from syncer.schema.pull import BySetting, FullList, FullScan, Incremental, PerParent, Pull
from syncer.store.database import Database, Transaction
from syncer.suggest import near

_KEYS_A_READ = 500


class Partitions:
    """The partitions of every model of a remote, found in what the local file knows when they are asked for."""

    def __init__(self, database: Database, remote: Remote, selection: Selection) -> None:
        self._database = database
        self._models = remote.models
        self._remote = remote.name
        self._selection = selection
        self._settings = remote.pull_sources()
        self._endpoint = endpoint_of(remote)
        self._keys: dict[str, frozenset[str]] = {}

    def walked_before(self, tx: Transaction) -> bool:
        """Whether a partition of any model was ever walked to its end at the present address."""
        return checkpoints.completed(tx, self._remote, self._endpoint)

    def plan(self, model: Model) -> Pull:
        """How the model is pulled: by the index that shows no more than what is selected, where there is one."""
        plan = model.pull
        if isinstance(plan, Incremental):
            known = {index.fields for index in model.indexes}
            for name, target in chosen_fields(model, self._models, self._selection):
                index = (name, *plan.index[1:])
                if target.name != plan.parent and index in known:
                    return replace(plan, parent=target.name, index=index)
        return plan

    def of(self, model: Model) -> Iterator[Partition]:
        """The partitions of a model that is walked partition by partition, each with a checkpoint of its own."""
        plan = self.plan(model)
        if isinstance(plan, Incremental):
            for parent in self.parents(plan.parent):
                yield self._partition(model, plan, plan.index[0], parent, plan.cursor, plan.overlap_s)
        elif isinstance(plan, PerParent) and plan.changed:
            for parent in self.parents(plan.parent):
                yield self._partition(model, plan, plan.index[0], parent)
        elif isinstance(plan, BySetting):
            for value in self._selection.names(model) or self._settings.get(plan.setting, ()):
                yield self._partition(model, plan, plan.field, value)
        elif isinstance(plan, FullScan):
            yield self._partition(model, plan, None, None)

    def full_lists(self, model: Model, plan: FullList) -> Iterator[Partition]:
        """The lists of a model that is pulled so."""
        values = self._settings.get(plan.setting or "", ())
        if plan.setting is None:
            values = self._database.read(lambda tx: rows.distinct(tx, model, plan.field or ""))
        since = self._selection.since if plan.newest_first else None
        for value in values:
            scope = checkpoints.scope_named(f"list {value}", self._endpoint, f"since {since}" if since else "")
            yield Partition(model, model, scope, plan.field, value, since=since)

    def children(self, model: Model, plan: PerParent, parent: str) -> Partition:
        """The records under one parent, where the checkpoint is of all parents together."""
        return replace(self._partition(model, plan, plan.index[0], parent), scope=self.each_scope(plan))

    def each_scope(self, plan: PerParent) -> str:
        """The scope of the checkpoint that all parents share."""
        chosen = (f"{entry}={','.join(sorted(names))}" for entry, names in sorted(self._selection.chosen.items()))
        return checkpoints.scope_named(f"each {plan.parent}", self._endpoint, *chosen)

    def _partition(
        self,
        model: Model,
        plan: Pull,
        field: str | None,
        value: str | None,
        cursor: str | None = None,
        overlap_s: float = OVERLAP_S,
    ) -> Partition:
        only = {
            name: self._chosen(target)
            for name, target in chosen_fields(model, self._models, self._selection)
            if name != field
        }
        since = self._selection.since if cursor is not None else None
        filters = [f"{name} in {','.join(sorted(keys))}" for name, keys in only.items()]
        scope = checkpoints.scope_named(
            "all" if field is None else f"{field}={value}", self._endpoint, f"since {since}" if since else "", *filters
        )
        changed = isinstance(plan, PerParent) and plan.changed
        asked = model if plan == model.pull else _asked(model, plan)
        return Partition(model, asked, scope, field, value, cursor, overlap_s, changed, since, only)

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
        fields = model.selector.names if model.selector else ()
        for name in self._selection.names(model):
            keys = [key for field in fields for key in rows.keys_where(tx, model, field, name)]
            if not keys:
                entry = model.selector.entry if model.selector else ""
                known = dict.fromkeys(text for field in fields for text in rows.distinct(tx, model, field))
                fetch = f"fetch them first: syncer pull {model.remote} --model {model.name}"
                hint = near(name, known) or (f"known are: {_some(known)}" if known else fetch)
                raise self._selection.wrong(entry, f"{entry} names no {model.name} that is known here: {name!r}", hint)
            found.update(keys)
        return frozenset(found)


def endpoint_of(remote: Remote) -> str | None:
    """The address of a remote, without which checkpoints say nothing."""
    return next(iter(remote.pull_sources().get("place", ())), None)


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:10]) + (" ..." if len(listed) > 10 else "")


def watching(models: Mapping[str, Model], parent: Model) -> Iterator[tuple[Model, PerParent]]:
    """The models that are asked for by live records of ``parent`` only, with their plans."""
    for model in models.values():
        if isinstance(model.pull, PerParent) and model.pull.parent == parent.name and model.pull.live is not None:
            yield model, model.pull


@cache
def _asked(model: Model, plan: Pull) -> Model:
    return replace(model, pull=plan)
