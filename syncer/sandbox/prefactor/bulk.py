"""Many operations in one request.

Each item has its own transaction; the first error ends the run, and the keys after it are
missing from ``outputs``; HTTP is 200 all the same. Decided here: an item that is malformed (no known ``_type``, a key that
is missing, not 8 to 64 characters, or there twice) refuses the whole request; span creates may be wrapped in ``details`` or
flat; keys are shared with the REST operations; there is no limit on the number of items.

Source: docs/remotes/prefactor.md#bulk
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from syncer.sandbox.documents import Document
from syncer.sandbox.prefactor.fields import BLANK
from syncer.sandbox.prefactor.keys import LONGEST, NAME, SHORTEST_IN_BULK
from syncer.sandbox.prefactor.operations import Operations
from syncer.sandbox.prefactor.problems import Problem, invalid

TYPE = "_type"


def execute(operations: Operations, body: Mapping[str, Any], request_id: str, agent_id: str | None) -> Document:
    """The body of the answer. Raises: Problem when the request as a whole is refused."""
    outputs: Document = {}
    for item in _items(body, {*operations.reads, *operations.writes}):
        params = {name: value for name, value in item.items() if name != TYPE}
        try:
            outputs[item[NAME]] = operations.run(item[TYPE], params, request_id, agent_id=agent_id, flat=True)
        except Problem as problem:
            outputs[item[NAME]] = problem.document
            break
    return {"status": "success", "outputs": outputs}


def _items(body: Mapping[str, Any], types: Collection[str]) -> list[Document]:
    items = body.get("items")
    if not isinstance(items, list) or not items:
        raise invalid({"items": [BLANK]})
    keys: set[str] = set()
    for number, item in enumerate(items):
        wrong = _wrong(item, types, keys)
        if wrong:
            raise invalid({"items": {str(number): wrong}})
        keys.add(item[NAME])
    return items


def _wrong(item: Any, types: Collection[str], keys: Collection[str]) -> Document:
    if not isinstance(item, dict):
        return {"item": ["is not an object"]}
    if item.get(TYPE) not in types:
        return {TYPE: ["is unknown"]}
    key = item.get(NAME)
    if not isinstance(key, str) or not SHORTEST_IN_BULK <= len(key) <= LONGEST:
        return {NAME: [f"should be {SHORTEST_IN_BULK} to {LONGEST} characters"]}
    return {NAME: ["must be unique within the request"]} if key in keys else {}
