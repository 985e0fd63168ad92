"""What the deployed schema says of itself, compared with what is described.

Amplify generates one object type and three inputs from each model. What the object type has and the description has not is
pulled into ``extra``; what the description has and the deployment has not is neither asked for nor sent, for one such field
would make AppSync refuse the whole request.

Source: docs/remotes/plexus.md#generated-names
Source: docs/remotes/plexus.md#answers
Source: docs/remotes/plexus.md#deployments-that-differ
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any

from syncer.adapters.plexus import naming
from syncer.adapters.plexus.spec import MODELS
from syncer.remote import Op, SchemaDifference
from syncer.schema.model import Field, Model, Origin

MODELS_A_QUESTION = 8

_LEAVES = ("SCALAR", "ENUM")
_WRAPPERS = ("NON_NULL", "LIST")
_TYPE = "kind name ofType{kind name ofType{kind name ofType{kind name}}}"


@cache
def question(models: tuple[str, ...]) -> str:
    """Aliased questions for the types of ``models``: ``o<n>`` the object, ``c<n>`` and ``u<n>`` the inputs."""
    parts = []
    for n, name in enumerate(models):
        model = MODELS[name]
        parts.append(f'o{n}:__type(name:"{name}"){{fields{{name args{{name}} type{{{_TYPE}}}}}}}')
        for letter, op in (("c", Op.CREATE), ("u", Op.UPDATE)):
            fields = f"inputFields{{name defaultValue type{{{_TYPE}}}}}"
            parts.append(f'{letter}{n}:__type(name:"{naming.input_type(op, model)}"){{{fields}}}')
    return f"query Probe{{{' '.join(parts)}}}"


def differences(models: Sequence[str], data: Mapping[str, Any]) -> dict[str, SchemaDifference]:
    """How the deployment differs, by model, from the answer to :func:`question`; equal models are left out."""
    found = {
        name: difference(MODELS[name], data.get(f"o{n}"), data.get(f"c{n}"), data.get(f"u{n}"))
        for n, name in enumerate(models)
    }
    return {name: each for name, each in found.items() if each != SchemaDifference()}


def difference(model: Model, shape: Any, create: Any, update: Any) -> SchemaDifference:
    """How one model differs, from what introspection says of its object type and its two inputs; None: no such type."""
    answered = {name for name, entry in _entries(shape, "fields").items() if _is_plain(entry)}
    if not answered.issuperset(model.key):
        return SchemaDifference(nowhere=True)
    creating, updating = _entries(create, "inputFields"), _entries(update, "inputFields")
    stamps = {f.name for f in model.remote_fields if f.origin is Origin.STAMP}
    taken = creating.keys() & updating.keys()
    sendable = [f.name for f in model.remote_fields if f.origin is not Origin.SERVER and f.name not in model.key]
    known = {*model.by_name, *(f.relation for f in model.fields if f.relation)}
    untaken = {name for name in sendable if name not in taken} if create and update else set()
    absent = {f.name for f in model.remote_fields if f.name not in answered} | (untaken - stamps)
    return SchemaDifference(
        unknown=tuple(sorted(answered - known)),
        absent=tuple(sorted(absent)),
        unsent=tuple(sorted(untaken & stamps & answered)),
        demanded=tuple(sorted(name for name, entry in creating.items() if name not in known and _is_demanded(entry))),
    )


def undefined(message: str) -> tuple[str, str] | None:
    """(model, field) that a refusal says the deployment lacks, where it names both."""
    words = message.split("'")
    if "FieldUndefined" in message and len(words) > 4 and words[3] in MODELS and words[1] in MODELS[words[3]].by_name:
        return words[3], words[1]
    return None


def named(message: str) -> set[str]:
    """The models whose types or operations a refusal names."""
    tokens = set("".join(c if c.isalnum() or c == "_" else " " for c in message).split())
    names = {model for token in tokens if (model := _tokens().get(token)) is not None}
    return names | {model for token in tokens for start, model in _starts() if token.startswith(start)}


@lru_cache(maxsize=1)
def _tokens() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, model in MODELS.items():
        written = [naming.mutation_field(op, model) for op in ("create", "update", "delete")]
        inputs = [naming.input_type(op, model) for op in ("create", "update", "delete")]
        read = [name, naming.get_field(model), naming.list_field(model), naming.condition_type(model)]
        found |= dict.fromkeys((*written, *inputs, *read), name)
    return found


@lru_cache(maxsize=1)
def _starts() -> list[tuple[str, str]]:
    return [(f"list{name}By", name) for name in MODELS]


def _entries(shape: Any, name: str) -> dict[str, Mapping[str, Any]]:
    listed = shape.get(name) if isinstance(shape, Mapping) else None
    entries: Iterable[Any] = listed if isinstance(listed, list) else ()
    return {entry["name"]: entry for entry in entries if isinstance(entry, Mapping) and _is_name(entry.get("name"))}


def _is_name(text: Any) -> bool:
    """Names go into documents as they are, so only what GraphQL takes for one will do."""
    return isinstance(text, str) and text.isascii() and text.isidentifier() and not text.startswith("__")


def _is_plain(entry: Mapping[str, Any]) -> bool:
    """True for a field that can be selected by its name alone."""
    if entry.get("args"):
        return False
    kind = entry.get("type")
    while isinstance(kind, Mapping) and kind.get("kind") in _WRAPPERS:
        kind = kind.get("ofType")
    return isinstance(kind, Mapping) and kind.get("kind") in _LEAVES


def _is_demanded(entry: Mapping[str, Any]) -> bool:
    kind = entry.get("type")
    return isinstance(kind, Mapping) and kind.get("kind") == "NON_NULL" and entry.get("defaultValue") is None


@lru_cache(maxsize=256)
def adapted(model: Model, found: SchemaDifference) -> Model:
    """``model`` as the deployment has it; the fields that it lacks are kept here only."""
    if found == SchemaDifference():
        return model
    if found.nowhere:
        return replace(model, legacy=True, pull=None)
    fields = tuple(_adapted(field, found) for field in model.fields)
    return replace(model, fields=fields, unknown=tuple(name for name in found.unknown if _is_name(name)))


def _adapted(field: Field, found: SchemaDifference) -> Field:
    if field.name in found.absent and not field.here_only:
        return replace(field, origin=Origin.ABSENT)
    return replace(field, origin=Origin.SERVER) if field.name in found.unsent else field
