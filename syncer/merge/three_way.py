"""The three-way merge: base (the last record we saw), row (ours), record (theirs). Pure.

Field by field: who changed it since the base wins; both, to the same value, agree; both, differently, conflict. JSON objects
are merged in the same way key by key, lists as wholes. A conflict that no rule decides keeps our value in the row, and the
values of all three in the record of the conflict.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from syncer.remote import Row
from syncer.schema.model import Field, Kind, Model
from syncer.schema.values import VERBATIM, alike, dumps, json_decoded, same

Side: TypeAlias = Literal["ours", "theirs"]
Decide: TypeAlias = Callable[[str], Side | None]
"""Says by field name who wins a conflict; None leaves it to a person."""

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field both sides changed since the base, differently. Stored values, each as its side has it in full."""

    field: str
    base: Any
    ours: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """``row`` is what the cache should hold, ``ours`` the fields that still have to be sent.

    ``conflicts`` wait for a person; ``decided`` are those that a rule has settled, and for whom.
    """

    row: Row
    ours: frozenset[str]
    conflicts: tuple[FieldConflict, ...]
    decided: tuple[tuple[FieldConflict, Side], ...] = ()


def undecided(_: str) -> Side | None:
    """Leaves every conflict to a person."""
    return None


def merge_record(
    model: Model,
    base: Mapping[str, Any],
    row: Mapping[str, Any],
    record: Mapping[str, Any],
    edited: Iterable[str],
    *,
    asked: Mapping[str, FieldConflict] | None = None,
    decide: Decide = undecided,
) -> Merged:
    """Merge ``record`` into ``row``, whose fields ``edited`` differ from ``base`` because we changed them.

    ``asked``: conflicts found earlier that nobody has settled, by field. Such a field is measured against what it was before
    that conflict, so it stays a conflict until one side takes the other's value, or goes back to what it was.
    """
    asked = asked or {}
    result: Row = dict(record)
    still: set[str] = set()
    field_conflicts: list[FieldConflict] = []
    decided: list[tuple[FieldConflict, Side]] = []
    wanted = frozenset(edited)
    for field in model.fields:
        name = field.name
        ours, theirs, before = row.get(name), record.get(name), base.get(name)
        if name not in wanted or same(field, ours, theirs):
            continue
        earlier = asked.get(name)
        if earlier is None and same(field, ours, before):
            continue  # edited, and edited back
        if earlier is not None:
            before = merge_field(field, earlier.base, earlier.ours, earlier.theirs, "base")[0]
        value, clashing = merge_field(field, before, ours, theirs, "ours")
        if earlier is not None and same(field, ours, before) and not same(field, theirs, before):
            value, clashing = ours, True  # put back on purpose, with the question open: not theirs to take
        if clashing:
            conflict = FieldConflict(name, before if earlier is None else earlier.base, ours, theirs)
            found = decide(name)
            if found is None:
                field_conflicts.append(conflict)
            else:
                decided.append((conflict, found))
            if found == "theirs":
                value = merge_field(field, before, ours, theirs, found)[0]
        result[name] = value
        if not same(field, value, theirs):
            still.add(name)
    return Merged(result, frozenset(still), tuple(field_conflicts), tuple(decided))


def merge_field(field: Field, base: Any, ours: Any, theirs: Any, prefer: Side | Literal["base"]) -> tuple[Any, bool]:
    """One field of both sides in stored form, and whether they conflict in it; where they do, the value of ``prefer``.

    With ``base`` preferred the rest is theirs: what theirs was before the conflict.
    """
    if field.kind is Kind.JSON and not field.many:
        try:
            found = _merge_stored_objects(base, ours, theirs, prefer)
        except (ValueError, RecursionError):
            found = None  # NaN, half characters, nesting without end: text that cannot be taken apart stays whole
        if found is not None:
            return found
    if same(field, theirs, base):
        return (theirs if prefer == "base" else ours), False
    if same(field, ours, base):
        return theirs, False
    return {"base": base, "ours": ours, "theirs": theirs}[prefer], True


def conflicting_keys(field: Field, base: Any, ours: Any, theirs: Any) -> list[str]:
    """Dotted paths of the keys in which two JSON objects conflict; empty where the field conflicts as a whole."""
    objects = None if field.many or field.kind is not Kind.JSON else _objects(base, ours, theirs)
    paths: list[str] = []
    if objects is not None:
        try:
            _merge_objects(*objects, "ours", paths, "")
        except RecursionError:
            return []
    return paths


def differing(model: Model, ours: Mapping[str, Any], theirs: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Those of ``names`` in which two stored rows differ in meaning."""
    return [n for n in names if not same(model.by_name[n], ours.get(n), theirs.get(n))]


def _objects(base: Any, ours: Any, theirs: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None:
    """Three stored values as JSON objects, no base being an empty one; None when they are not."""
    before, mine, other = (None if value is None else json_decoded(value) for value in (base, ours, theirs))
    before = {} if before is None else before
    if isinstance(before, dict) and isinstance(mine, dict) and isinstance(other, dict):
        return before, mine, other
    return None


def _merge_stored_objects(base: Any, ours: Any, theirs: Any, prefer: str) -> tuple[Any, bool] | None:
    """Three stored JSON objects as one; None when they are not objects. Raises: ValueError, RecursionError."""
    objects = _objects(base, ours, theirs)
    if objects is None:
        return None
    paths: list[str] = []
    whole = _merge_objects(*objects, prefer, paths, "")
    for text, value in ((theirs, objects[2]), (ours, objects[1])):
        if alike(whole, value):
            return text, bool(paths)  # in the spelling it came in
    text = dumps(whole)
    text.encode()
    return text, bool(paths)


def _merge_objects(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], prefer: str, paths: list[str], path: str
) -> dict[str, Any]:
    """One object of three, key by key; ``paths`` gets the keys that conflict."""
    whole: dict[str, Any] = {}
    for key in {**theirs, **ours, **(base if prefer == "base" else {})}:
        before, mine, other = (side.get(key, _ABSENT) for side in (base, ours, theirs))
        if alike(mine, other) or alike(mine, before):
            value = other
        elif alike(other, before):
            value = other if prefer == "base" else mine
        elif isinstance(mine, dict) and isinstance(other, dict):
            below = before if isinstance(before, dict) else {}
            value = _merge_objects(below, mine, other, prefer, paths, f"{path}{key}.")
        else:
            paths.append(f"{path}{key}")
            value = {"base": before, "ours": mine, "theirs": other}[prefer]
        if value is not _ABSENT:
            whole[key] = value
    return whole


def differences(model: Model, here: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Fields in which two stored rows differ in meaning; how the remote spells its times is no difference."""
    found = {
        f.name: (ours, theirs)
        for f in model.fields
        if (ours := here.get(f.name)) != (theirs := there.get(f.name)) and not f.here_only and not same(f, ours, theirs)
    }
    if here.get("extra") != there.get("extra"):
        ours, theirs = _unknown(here.get("extra")), _unknown(there.get("extra"))
        if not alike(ours, theirs):
            found["extra"] = (here.get("extra"), there.get("extra"))
    return found


def _unknown(extra: str | None) -> Any:
    """What the remote sent besides the fields of the description; a null says as little as nothing."""
    decoded = {} if extra is None else json_decoded(extra)
    if not isinstance(decoded, dict):
        return decoded
    return {name: value for name, value in decoded.items() if name != VERBATIM and value is not None}


def listed(fields: Mapping[str, Any]) -> str | None:
    """Names of fields as JSON, None for none."""
    return json.dumps(sorted(fields)) if fields else None
