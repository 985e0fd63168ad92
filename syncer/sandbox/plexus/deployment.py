"""Deployments that are not quite as described: with fields nobody here knows, or without some that are described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from syncer.adapters.plexus import naming
from syncer.errors import UsageError
from syncer.schema.model import Field, Model

_TYPE = re.compile(r"(\[?)(\w+)(\]?)(!?)")
_KINDS = {name: kind for kind, name in naming.SCALARS.items()}


def deployed(
    models: Iterable[Model], extra: Mapping[str, Mapping[str, str]], missing: Mapping[str, Iterable[str]]
) -> tuple[Model, ...]:
    """``models`` with the ``extra`` fields (name to GraphQL type), without the ``missing`` ones and all that needs them.

    A missing field named ``*`` takes the whole model away. Raises: UsageError for a type that no field can have.
    """
    found = []
    for model in models:
        gone = set(missing.get(model.name, ()))
        if "*" not in gone:
            found.append(_changed(model, extra.get(model.name, {}), gone))
    return tuple(found)


def _changed(model: Model, extra: Mapping[str, str], gone: set[str]) -> Model:
    if not extra and not gone:
        return model
    theirs = [f for f in model.remote_fields if f.name not in gone]
    ours = [f for f in model.fields if f.here_only]
    return replace(
        model,
        fields=(*theirs, *(_field(name, kind) for name, kind in extra.items()), *ours),
        indexes=tuple(index for index in model.indexes if gone.isdisjoint(index.fields)),
    )


def _field(name: str, text: str) -> Field:
    read = _TYPE.fullmatch(text)
    if read is None or read[2] not in _KINDS:
        raise UsageError(f"a field of the sandbox cannot be of type {text!r}", hint=f"types are: {', '.join(_KINDS)}")
    return Field(name, _KINDS[read[2]], required=bool(read[4]), many=bool(read[1]))
