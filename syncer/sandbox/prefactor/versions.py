"""Agent versions and schema versions: made or reused by ``external_identifier`` at every register.

Decided here: the same identifier with other content is a validation error; without an
identifier every register makes a new version.

Source: docs/remotes/prefactor.md#versions
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from syncer import clock
from syncer.sandbox.documents import Document, Part, canonical, encoded
from syncer.sandbox.prefactor import pfid
from syncer.sandbox.prefactor.book import Book
from syncer.sandbox.prefactor.fields import Fields

_DIFFERENT = "already exists with different details"
_PLACEHOLDER = re.compile(r"\{\{\s*([\w.:-]+)\s*\}\}")


def checked_version(fields: Fields) -> Document:
    """The ``agent_version`` of a register."""
    given = fields.mapping("agent_version", required=True) or {}
    inner = Fields(given)
    for name in ("name", "external_identifier", "description"):
        inner.text(name)
    inner.mapping("runtime_environment")
    return _kept(fields, "agent_version", given, inner)


def checked_schema(fields: Fields) -> Document:
    """The ``agent_schema_version`` of a register."""
    given = fields.mapping("agent_schema_version", required=True) or {}
    inner = Fields(given)
    inner.text("external_identifier")
    spans, results = inner.mapping("span_schemas"), inner.mapping("span_result_schemas")
    if results is not None and spans is None:
        inner.wrong("span_result_schemas", "needs span_schemas")
    for name, schemas in (("span_schemas", spans), ("span_result_schemas", results)):
        if not all(isinstance(schema, dict) for schema in (schemas or {}).values()):
            inner.wrong(name, "must map names to schemas")
    for schema in inner.listed("span_type_schemas") or []:
        _check_span_type(inner, schema)
    return _kept(fields, "agent_schema_version", given, inner)


def _check_span_type(inner: Fields, schema: Any) -> None:
    if not isinstance(schema, dict):
        inner.wrong("span_type_schemas", "must hold objects")
        return
    span_type = Fields(schema)
    span_type.text("name", required=True)
    span_type.mapping("params_schema", required=True)
    span_type.mapping("result_schema")
    for name in ("title", "description", "template"):
        span_type.text(name)
    if span_type.errors:
        inner.errors.setdefault("span_type_schemas", []).append(span_type.errors)


def _kept(fields: Fields, name: str, given: Document, inner: Fields) -> Document:
    if inner.errors:
        fields.errors[name] = inner.errors
    kept: Document = _without_nulls(given)
    return kept


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def version_id(book: Book, fields: Fields, name: str, agent_id: str, content: Document) -> str | None:
    """The id of the stored version of this content, made when it is new; None when it clashes with another."""
    identifier = content.get("external_identifier")
    if identifier is not None:
        same = Part("agent_id = ? AND kind = ? AND external_identifier = ?", (agent_id, name, identifier))
        for version in book.versions.find(same):
            if canonical(version["content"]) == canonical(content):
                return str(version["id"])
            fields.errors[name] = {"external_identifier": [_DIFFERENT]}
            return None
    made = {"id": pfid.minted(), "agent_id": agent_id, "kind": name, "external_identifier": identifier, "content": content}
    book.versions.put(made | {"inserted_at": clock.stored_now()})
    return str(made["id"])


def title_and_summary(book: Book, instance: Document, span: Document) -> Document:
    """``schema_title`` and ``summary`` of ``span``, by the span type its instance declared."""
    version = book.versions.get(instance["agent_schema_version_id"]) or {"content": {}}
    declared: Mapping[str, Any] = next(
        (kind for kind in version["content"].get("span_type_schemas", ()) if kind["name"] == span["schema_name"]), {}
    )
    template = declared.get("template")
    values = span["payload"] | (span["result_payload"] or {})
    return {
        "schema_title": declared.get("title") or span["schema_name"],
        "summary": None if template is None else _PLACEHOLDER.sub(lambda match: _text(values.get(match[1])), template),
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else encoded(value)
