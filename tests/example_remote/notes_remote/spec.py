"""What the service has: notebooks, and the notes in them."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, ref, server_time, text, texts
from syncer.schema.model import Index, Model, catalogue
from syncer.schema.pull import FullScan, PerParent

NOTEBOOK = Model(
    "Notebook",
    fields=(identity(), text("name", required=True), server_time("createdAt"), server_time("updatedAt")),
    pull=FullScan(),
)

NOTE = Model(
    "Note",
    fields=(
        identity(),
        ref("notebookId", "Notebook", "notes", required=True),
        text("title", required=True),
        text("body"),
        texts("tags"),
        boolean("pinned"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(Index("notebookId", ("updatedAt",)),),
    pull=PerParent("Notebook", ("notebookId", "updatedAt")),
)

MODELS = catalogue("notes", (NOTEBOOK, NOTE))
