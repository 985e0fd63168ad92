"""What the service has: notebooks, and the notes in them."""

from __future__ import annotations

from syncer.schema.fields import flag, identity, ref, server_time, text, texts
from syncer.schema.model import Index, Model, catalogue
from syncer.schema.pull import Each, Scan

NOTEBOOK = Model(
    "Notebook",
    fields=(identity(), text("name", required=True), server_time("createdAt"), server_time("updatedAt")),
    pull=Scan(),
)

NOTE = Model(
    "Note",
    fields=(
        identity(),
        ref("notebookId", "Notebook", "notes", required=True),
        text("title", required=True),
        text("body"),
        texts("tags"),
        flag("pinned"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(Index("notebookId", ("updatedAt",)),),
    pull=Each("Notebook", ("notebookId", "updatedAt")),
)

MODELS = catalogue("notes", (NOTEBOOK, NOTE))
