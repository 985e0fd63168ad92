"""Everything one organization holds: runs, their logs, and how a run looks to its clients.

Source: docs/remotes/abeja.md#runs
Source: docs/remotes/abeja.md#run-status
"""

from __future__ import annotations

from syncer import clock, ids
from syncer.sandbox.documents import Document, Documents, Part, encoded
from syncer.sandbox.storage import Storage

REMOTE = "abeja"
RUN, LOG = "run", "run_log"
STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
TERMINAL = ("SUCCEEDED", "FAILED")
PATH = STATUSES[:6]
"""The way of a run that succeeds."""

_TEXTS = ("input_data", "output_template", "user_env_vars")
_ONLY_WHEN_CREATED = ("distribution",)
_HIDDEN = ("organization_id",)


class Book:
    """The tables, and the switches of the tests. Callers hold the lock.

    ``page_size``: runs and log events a page. ``as_text``: objects inside a run are answered as JSON text, which the
    reference says in places. ``step_s``: every so many seconds a run moves on by itself, None: never.
    """

    def __init__(self, storage: Storage, step_s: float | None = None) -> None:
        self.storage = storage
        with storage.transaction():
            self.runs = Documents(storage.connection, "abeja_run", "run_id", ("deployment_id", "created_at"))
            self.versions = Documents(storage.connection, "abeja_version", "key", ("deployment_id",))
            self.logs = Documents(storage.connection, "abeja_run_log", "id", ("run_id", "timestamp"))
        self.page_size = 50
        self.as_text = False
        self.step_s = step_s

    def new_run_id(self) -> str:
        """``run-`` and 16 digits."""
        return f"run-{int(ids.new_key(), 16) % 10**16:016}"

    def version_name(self, deployment_id: str, version_id: str) -> str:
        """``0.0.N``: the versions of a deployment by their first run."""
        key = f"{deployment_id} {version_id}"
        known = self.versions.get(key)
        if known is None:
            number = self.versions.count(Part("deployment_id = ?", (deployment_id,))) + 1
            known = {"key": key, "deployment_id": deployment_id, "name": f"0.0.{number}"}
            self.versions.put(known)
        return str(known["name"])

    def present(self, run: Document) -> Document:
        """``run`` as it is now: moved on by itself when time does that."""
        if self.step_s is None or run["status"] in TERMINAL:
            return run
        elapsed = (clock.now() - clock.parsed(run["created_at"])).total_seconds()
        number = min(int(elapsed // self.step_s), len(PATH) - 1)
        if number <= PATH.index(run["status"]):
            return run
        at = clock.after(number * self.step_s, clock.parsed(run["created_at"]))
        moved = run | {"status": PATH[number], "modified_at": at}
        with self.storage.transaction():
            self.runs.put(moved)
        return moved

    def shown(self, run: Document, *, created: bool = False) -> Document:
        """``run`` as the API answers it; ``distribution`` only right after it was made, as documented."""
        hidden = _HIDDEN if created else _HIDDEN + _ONLY_WHEN_CREATED
        shown = {name: value for name, value in run.items() if name not in hidden}
        if self.as_text:
            shown |= {name: encoded(shown[name]) for name in _TEXTS if shown[name] is not None}
        return shown
