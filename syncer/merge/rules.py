"""Who wins where both sides changed the same: rules by model and field, from ``syncer.toml``.

.. code-block:: toml

    [REMOTE.merge]                          # one table for each remote
    default = "ask"                         # theirs, ours, newest or ask
    ScoreResult = "theirs"
    "ScoreResult.explanation" = "ours"      # or a table: [REMOTE.merge.ScoreResult] with default = ... and explanation = ...
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from syncer import clock
from syncer.errors import SettingError
from syncer.merge.three_way import Decide, Side
from syncer.schema.model import Model
from syncer.suggest import near


class Rule(StrEnum):
    """What to do with a conflict. ``newest``: the later edit wins; where that cannot be told, a person is asked."""

    THEIRS = "theirs"
    OURS = "ours"
    NEWEST = "newest"
    ASK = "ask"


@dataclass(frozen=True)
class MergeRules:
    """The rules of one remote. ``named``: by model name, and by model and field name with a point between them."""

    default: Rule = Rule.ASK
    named: Mapping[str, Rule] = field(default_factory=dict)

    def rule(self, model: Model, name: str | None = None) -> Rule:
        """The rule of a field, or of the record as a whole."""
        of_model = self.named.get(model.name, self.default)
        return of_model if name is None else self.named.get(f"{model.name}.{name}", of_model)

    def side(self, model: Model, name: str | None, edited_at: str | None, record: Mapping[str, Any] | None) -> Side | None:
        """Who wins field ``name`` (None: the whole record), edited here at ``edited_at``; None when a person is to say."""
        return ruled(self.rule(model, name), model, edited_at, record)

    def decide(self, model: Model, record: Mapping[str, Any], edited: Mapping[str, str]) -> Decide:
        """The rules as the merge asks for them. ``edited``: when each field was edited here."""
        return lambda name: self.side(model, name, edited.get(name), record)

    def how(self, model: Model, name: str | None, side: Side) -> str:
        """How a rule settled a conflict, as the list of conflicts tells it."""
        rule = self.rule(model, name)
        return f"rule: {rule}" if rule != Rule.NEWEST else f"rule: newest, {side}"


def ruled(rule: Rule, model: Model, edited_at: str | None, record: Mapping[str, Any] | None) -> Side | None:
    """Who wins by ``rule``; None when that leaves it open. ``record`` is None when the remote has none any more."""
    if rule is Rule.NEWEST:
        return _newest(model, edited_at, record)
    return None if rule is Rule.ASK else ("ours" if rule is Rule.OURS else "theirs")


def _newest(model: Model, edited_at: str | None, record: Mapping[str, Any] | None) -> Side | None:
    changed_at = (record or {}).get(model.changed_at)
    if edited_at is None or not isinstance(changed_at, str):
        return None
    try:
        here, there = clock.parsed(edited_at), clock.parsed(changed_at)
    except ValueError:
        return None  # a time we cannot read
    unit = 10 ** (6 - model.time_digits)  # remotes that keep milliseconds cannot tell microseconds apart
    mine, other = (moment.replace(microsecond=moment.microsecond // unit * unit) for moment in (here, there))
    return None if mine == other else ("ours" if mine > other else "theirs")


def read(section: Mapping[str, Any], models: Mapping[str, Model], where: str) -> MergeRules:
    """The rules in a table of ``syncer.toml``; ``where`` names the table. Raises: SettingError naming the entry."""
    default = Rule.ASK
    named: dict[str, Rule] = {}
    for entry, value in _entries(section):
        if entry == "default":
            default = _rule(value, entry, where)
            continue
        _check(entry, models, where)
        named[entry] = _rule(value, entry, where)
    return MergeRules(default, named)


def _entries(section: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every entry by its full name, tables of a model taken apart."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from ((name if below == "default" else f"{name}.{below}", rule) for below, rule in value.items())
        else:
            yield name, value


def _check(entry: str, models: Mapping[str, Model], where: str) -> None:
    name, point, field_name = entry.partition(".")
    model = models.get(name)
    if model is None:
        hint = near(name, models) or f"models are: {', '.join(models)}"
        raise SettingError(f"{where} names a model that does not exist: {name!r}", hint=hint)
    if point and field_name not in model.by_name:
        hint = near(field_name, model.by_name) or f"fields are: {', '.join(model.by_name)}"
        raise SettingError(f"{where} names a field that {name} does not have: {field_name!r}", hint=hint)


def _rule(value: Any, entry: str, where: str) -> Rule:
    known = [str(rule) for rule in Rule]
    if value not in known:
        hint = (near(value, known) if isinstance(value, str) else None) or f"rules are: {', '.join(known)}"
        raise SettingError(f"{where} has no such rule for {entry}: {value!r}", hint=hint)
    return Rule(value)
