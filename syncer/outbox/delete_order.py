"""Which records point at which: the order of deletes, children before their parents. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncer.remote import Op
from syncer.schema.model import Field, Model


def pointing_at(models: Mapping[str, Model], name: str) -> Iterator[tuple[Model, Field]]:
    """The fields by which records of other models point at a record of the model called ``name``.

    While the delete of such a record waits, the delete of the record it points at is held back. Pointers that close a cycle
    and those within one model do not count: a ring of them would wait for itself for ever.
    """
    for model in models.values():
        if Op.DELETE in model.ops and model.name != name:
            yield from ((model, field) for field in model.references if field.ref == name and not field.back)
