"""What is pulled, where not everything is wanted: by model, by the records things belong to, and from a time on.

.. code-block:: toml

    [REMOTE.pull]
    models = ["ScoreResult", "Task"]    # these, and those they are reached through
    exclude = ["ChatMessage"]
    accounts = ["lab", "plant"]         # by key
    scorecards = ["quality"]            # by id, key, external id or name
    since = "2026-10-01"                # the first pull of what is listed by time starts here
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any

from syncer import clock
from syncer.errors import SettingError, UsageError
from syncer.schema.model import Model
from syncer.schema.pull import FullList, Incremental, PerParent
from syncer.suggest import near

_LISTS = ("models", "exclude")


@dataclass(frozen=True)
class Selection:
    """What of one remote is pulled. ``models`` None: every model. ``chosen``: names of records, by entry.

    ``since``: a time in stored form. ``where``: by entry, the table of ``syncer.toml`` that it is from; options have none.
    """

    models: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    since: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)

    def wants(self, model: Model) -> bool:
        """Whether the model is pulled when nobody asks for it by name."""
        return model.name not in self.exclude and (self.models is None or model.name in self.models)

    def names(self, model: Model) -> tuple[str, ...]:
        """How the chosen records of ``model`` were called; empty when every one is wanted."""
        return () if model.selector is None else self.chosen.get(model.selector.entry, ())

    def wrong(self, entry: str, what: str, hint: str | None) -> UsageError:
        """The error for an entry that cannot be worked with, naming where it stands."""
        where = self.where.get(entry)
        return UsageError(what, hint=hint) if where is None else SettingError(f"{where}: {what}", hint=hint)


EVERYTHING = Selection()
"""No entry, no option: all there is."""


def read(section: Mapping[str, Any], models: Mapping[str, Model], where: str) -> Selection:
    """What a table of ``syncer.toml`` selects; ``where`` names the table. Raises: SettingError naming the entry."""
    known = entries(models)
    for entry in section:
        if entry not in known:
            hint = near(entry, known) or f"entries are: {', '.join(known)}"
            raise SettingError(f"{where} has no entry {entry!r}", hint=hint)
    lists = {entry: _texts(section[entry], entry, where) for entry in known if entry in section and entry != "since"}
    for entry in _LISTS:
        for name in lists.get(entry, ()):
            if name not in models:
                hint = near(name, models) or f"models are: {', '.join(models)}"
                raise SettingError(f"{where} names a model that does not exist: {name!r}", hint=hint)
    return Selection(
        _reached(lists["models"], models) if "models" in lists else None,
        frozenset(lists.get("exclude", ())),
        {entry: names for entry, names in lists.items() if entry not in _LISTS and names},
        _since(section["since"], f"{where}: since") if "since" in section else None,
        dict.fromkeys(section, where),
    )


def narrowed(
    selections: Mapping[str, Selection],
    models: Mapping[str, Mapping[str, Model]],
    remotes: Sequence[str],
    *,
    since: Any = None,
    **chosen: Sequence[str] | str | None,
) -> dict[str, Selection]:
    """``selections`` by remote with what was asked for this once in the place of their own entries.

    ``chosen``: names of records by entry. Raises: UsageError for what none of ``remotes`` can be narrowed by.
    """
    given = {entry: (names,) if isinstance(names, str) else tuple(names) for entry, names in chosen.items() if names}
    moment = None if since is None else _since(since, "since")
    for entry in (*given, *(["since"] if moment else [])):
        if not any(entry in entries(models[name]) for name in remotes):
            raise UsageError(f"pulls from {' and '.join(remotes)} cannot be narrowed by {entry}")
    found = dict(selections)
    for name in remotes:
        before, known = found.get(name, EVERYTHING), entries(models[name])
        here = {entry: names for entry, names in given.items() if entry in known}
        found[name] = replace(
            before,
            chosen={**before.chosen, **here},
            since=moment if moment and "since" in known else before.since,
            where={entry: where for entry, where in before.where.items() if entry not in here},
        )
    return found


def entries_of(select: Mapping[str, Sequence[str] | str]) -> dict[str, Sequence[str] | str]:
    """``select``, records by entry. Raises: UsageError for an entry by which no records are chosen."""
    for entry in select:
        if entry in (*_LISTS, "since") or not entry.isidentifier():
            raise UsageError(
                f"records cannot be selected by {entry!r}", hint="an entry is what [REMOTE.pull] has for records"
            )
    return dict(select)


def entries(models: Mapping[str, Model]) -> tuple[str, ...]:
    """By what the pulls of a remote may be narrowed."""
    chosen = [model.selector.entry for model in models.values() if model.selector]
    timed = any(
        isinstance(m.pull, Incremental) or (isinstance(m.pull, FullList) and m.pull.newest_first) for m in models.values()
    )
    return (*_LISTS, *chosen, *(("since",) if timed else ()))


def parent_of(model: Model) -> str | None:
    """The model by whose records this one is asked for."""
    return model.pull.parent if isinstance(model.pull, PerParent | Incremental) else None


def chosen_fields(model: Model, models: Mapping[str, Model], selection: Selection) -> Iterator[tuple[str, Model]]:
    """The fields of ``model`` that point at records of which only some are chosen, with the model of those."""
    for reference in model.references:
        target = models[reference.ref or ""]
        if target is not model and selection.names(target):
            yield reference.name, target


def _reached(names: Sequence[str], models: Mapping[str, Model]) -> frozenset[str]:
    """``names``, and the models they are reached through."""
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            parent = parent_of(models[name])
            ahead += [parent] if parent else []
    return frozenset(found)


def _texts(value: Any, entry: str, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(name, str) and name for name in listed):
        raise SettingError(f"{where}: {entry} must be a list of names, not {value!r}", hint=f'{entry} = ["NAME"]')
    return tuple(dict.fromkeys(listed))


def _since(value: Any, what: str) -> str:
    """A day or moment in stored form. Raises: UsageError."""
    error = SettingError if what != "since" else UsageError
    try:
        moment = value if isinstance(value, date) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise error(f"{what} cannot be {value!r}", hint="a day, 2026-10-01, or a time, 2026-10-01T08:00:00Z") from None
    if not isinstance(moment, datetime) or (isinstance(value, str) and len(value) <= len("2026-10-01")):
        moment = datetime.combine(moment, time(), UTC)
    if moment.tzinfo is None:
        raise error(f"{what} cannot be {value!r}", why="a time needs an offset", hint="for example a final Z")
    found = clock.stored(moment)
    if found > clock.after(86_400.0):
        raise error(f"{what} cannot be {value!r}", why="that is in the future", hint="a day in the past")
    return found
