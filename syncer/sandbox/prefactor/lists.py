"""Lists of instances and spans, in pages.

Decided here: offsets count records; 20 a page unless asked; oldest first; instances
refuse any sorting, spans sort by id; ``start_time`` and ``end_time`` bound a span's start (its creation while pending),
both inclusive; an unknown parent has an empty list; ``include_summaries=false`` leaves ``summary`` out.

Source: docs/remotes/prefactor.md#paging
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer.sandbox.documents import Document, Documents, Part
from syncer.sandbox.prefactor.book import Book
from syncer.sandbox.prefactor.fields import BLANK, Fields

_LARGEST = 100
_USUAL = 20
_STARTED = "coalesce(started_at, inserted_at)"


class Lists:
    """Pages of records. Raises: Problem."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def instances(self, params: Mapping[str, Any]) -> Document:
        """Instances of one agent, optionally of one version of it."""
        query = _flat(params)
        fields = Fields(query)
        part = Part("agent_id = ?", (fields.text("agent_id", required=True),))
        version = fields.text("agent_version_id")
        if version:
            part = part.also("agent_version_id = ?", version)
        for name in query:
            if name.startswith("sorting"):
                fields.wrong(name, "is not supported")
        page = _page(self._book.instances, part, fields, query, "seq")
        return page | {"summaries": [self._book.shown(instance) for instance in page["summaries"]], "sorting": None}

    def spans(self, params: Mapping[str, Any]) -> Document:
        """Spans of one instance, or of one agent."""
        query = _flat(params)
        fields = Fields(query)
        owners = {name: value for name in ("agent_instance_id", "agent_id") if (value := fields.text(name))}
        if not owners:
            fields.wrong("agent_instance_id", BLANK)
        part = Part()
        for name, value in owners.items():
            part = part.also(f"{name} = ?", value)
        for name, sign in (("start_time", ">="), ("end_time", "<=")):
            moment = fields.moment(name)
            if moment:
                part = part.also(f"{_STARTED} {sign} ?", moment)
        direction = _direction(fields, query)
        page = _page(self._book.spans, part, fields, query, f"pk {direction}" if direction else "seq")
        if str(query.get("include_summaries")).lower() == "false":
            for span in page["summaries"]:
                del span["summary"]
        return page | {"sorting": {"field": "id", "direction": direction} if direction else None}


def _flat(params: Mapping[str, Any]) -> Document:
    """Query parameters; a bulk item may also nest them."""
    flat: Document = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= {f"{name}[{inner}]": each for inner, each in value.items()}
        else:
            flat[name] = value
    return flat


def _direction(fields: Fields, query: Mapping[str, Any]) -> str | None:
    sorting = query.get("sorting")
    if sorting is None and "sorting[field]" in query:
        sign = {"asc": "", "desc": "-"}.get(query.get("sorting[direction]", "asc"), "?")
        sorting = f"{sign}{query['sorting[field]']}"
    if sorting not in (None, "id", "-id"):
        fields.wrong("sorting", "must be id or -id")
    return {"id": "asc", "-id": "desc"}.get(str(sorting))


def _page(table: Documents, part: Part, fields: Fields, query: Mapping[str, Any], order: str) -> Document:
    offset = _number(fields, query, "pagination[offset]", 0, 0, None)
    size = _number(fields, query, "pagination[page_size]", _USUAL, 1, _LARGEST)
    fields.check()
    total = table.count(part)
    found = table.find(part, order, size, offset)
    return {
        "status": "success",
        "summaries": found,
        "pagination": {
            "item_count": total,
            "item_start": offset + 1 if found else 0,
            "item_end": offset + len(found),
            "page_count": -(-total // size),
            "page_index": offset // size + 1,
            "page_offset": offset,
            "page_size": size,
            "next_page_offset": offset + size if offset + size < total else None,
            "previous_page_offset": max(0, offset - size) if offset else None,
        },
    }


def _number(fields: Fields, query: Mapping[str, Any], name: str, usual: int, least: int, most: int | None) -> int:
    text = str(query.get(name, usual))
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
    if number < least or (most is not None and number > most):
        fields.wrong(name, f"must be at least {least}" if most is None else f"must be {least} to {most}")
    return number
