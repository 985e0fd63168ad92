"""A remote's models as JSON text and back: what a file remembers of a remote whose package may be gone later.

Only what differs from the default is written. What a later version has added to the words is left out when it is read, so
that an older program can still show what waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from syncer.schema import model as words
from syncer.schema import pull
from syncer.schema.model import Kind, Model, Origin

_CLASSES = {
    made.__name__: made
    for module in (words, pull)
    for made in vars(module).values()
    if isinstance(made, type) and hasattr(made, "__dataclass_fields__")
}
_ENUMS = {"Kind": Kind, "Origin": Origin}
_KIND = "is"


def to_text(models: Mapping[str, Model]) -> str:
    """The models as JSON, in their order."""
    return json.dumps([_plain(model) for model in models.values()], ensure_ascii=False, separators=(",", ":"))


def from_text(text: str) -> dict[str, Model]:
    """The reverse of :func:`to_text`. Raises: ValueError for text that says something else."""
    try:
        found = _made(json.loads(text))
        return {model.name: model for model in found}
    except (TypeError, KeyError, AttributeError) as exc:
        raise ValueError(f"no description of models: {exc}") from exc


def _plain(value: Any) -> Any:
    for name, kind in _ENUMS.items():
        if isinstance(value, kind):
            return {_KIND: name, "name": value.name}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    given = {f.name: getattr(value, f.name) for f in fields(value)}
    told = {f.name: _plain(given[f.name]) for f in fields(value) if f.default is MISSING or given[f.name] != f.default}
    return {_KIND: type(value).__name__, **told}


def _made(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_made(inner) for inner in value)
    if not isinstance(value, dict):
        return value
    if value[_KIND] in _ENUMS:
        return _ENUMS[value[_KIND]][value["name"]]
    kind = _CLASSES[value[_KIND]]
    known = {f.name for f in fields(kind)}
    return kind(**{name: _made(inner) for name, inner in value.items() if name in known})
