"""ABEJA as tests and demos hold it: its runs and logs, and what the platform and other people do to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from syncer import clock, ids
from syncer.errors import InvalidInput, RecordNotFound
from syncer.sandbox.abeja.book import LOG, PATH, REMOTE, RUN, STATUSES, TERMINAL, Book
from syncer.sandbox.documents import Document, Documents, Part, decoded
from syncer.sandbox.storage import Effect


class Hooks:
    """``sandbox.abeja``. Models are ``run`` and ``run_log``; rows hold the fields of the API and ``organization_id``."""

    def __init__(self, book: Book, organization_id: str, deployment_ids: Sequence[str]) -> None:
        self._book = book
        self.organization_id = organization_id
        self.deployment_ids = tuple(deployment_ids)

    @property
    def page_size(self) -> int:
        """Runs and log events a page; may be set at any time."""
        return self._book.page_size

    @page_size.setter
    def page_size(self, size: int) -> None:
        """From the next page on."""
        self._book.page_size = size

    @property
    def as_text(self) -> bool:
        """Whether objects inside a run are answered as JSON text; may be set at any time."""
        return self._book.as_text

    @as_text.setter
    def as_text(self, as_text: bool) -> None:
        """From the next answer on."""
        self._book.as_text = as_text

    def rows(self, model: str) -> list[Document]:
        """Every row, in order of creation."""
        with self._book.storage.lock:
            found = self._table(model).find()
            return [self._book.present(row) for row in found] if model == RUN else found

    def get(self, model: str, key: str) -> Document | None:
        """One row, or None."""
        with self._book.storage.lock:
            row = self._table(model).get(key)
            return self._book.present(row) if row and model == RUN else row

    def count(self, model: str) -> int:
        """How many rows the model has."""
        with self._book.storage.lock:
            return self._table(model).count()

    def put(self, record: Mapping[str, Any] | None = None, **fields: Any) -> Document:
        """Store a run as a trigger or another user makes it, over one of the same ``run_id``; no effect logged.

        Every field has a default.
        """
        row = self._defaults() | dict(record or {}) | fields
        with self._book.storage.transaction():
            self._book.runs.put(row)
        return row

    def drop(self, run_id: str) -> None:
        """Forget a run, if it is there, as the end of its retention would; its logs go with it."""
        with self._book.storage.transaction():
            self._book.runs.remove(run_id)
            for event in self._book.logs.find(Part("run_id = ?", (run_id,))):
                self._book.logs.remove(event["id"])

    def advance(self, run_id: str, status: str | None = None) -> Document:
        """Move a run on to ``status``, or to the next one.

        Raises: RecordNotFound; InvalidInput for a step no run takes: out of SUCCEEDED or FAILED, or back other than from
        RUNNING with retries left to a status before it.
        """
        with self._book.storage.lock:
            run = self.get(RUN, run_id)
            if run is None:
                raise RecordNotFound("the sandbox has no such run", record=run_id)
            now = run["status"]
            then = status or (now if now in TERMINAL else PATH[PATH.index(now) + 1])
            if not _may(now, then, run["retry_count"]):
                raise InvalidInput("no run takes this step", record=run_id, why=f"{now} to {then}")
            return self.put(run, status=then, modified_at=clock.stored_now())

    def log(self, run_id: str, message: str, at: datetime | str | None = None) -> Document:
        """Let the run write a line, now or at another time. Raises: RecordNotFound."""
        moment = clock.stored_now() if at is None else clock.stored(clock.parsed(at) if isinstance(at, str) else at)
        event = {"id": ids.new_key(), "run_id": run_id, "message": message, "timestamp": moment}
        with self._book.storage.lock:
            if self._book.runs.get(run_id) is None:
                raise RecordNotFound("the sandbox has no such run", record=run_id)
            with self._book.storage.transaction():
                self._book.logs.put(event)
        return event

    def effects(self, model: str | None = None, op: str | None = None) -> list[Effect]:
        """Every run that clients made, in order; ``mark`` is its environment as JSON."""
        return self._book.storage.effects(REMOTE, model, op)

    def effects_by(self, variable: str) -> Counter[str]:
        """How many runs were made with each value of an environment variable."""
        made = (decoded(effect.mark) for effect in self.effects(RUN, "create"))
        return Counter(environment[variable] for environment in made if variable in environment)

    def _table(self, model: str) -> Documents:
        tables = {RUN: self._book.runs, LOG: self._book.logs}
        if model not in tables:
            raise InvalidInput(f"the sandbox has no model {model!r}", why=f"ABEJA has {', '.join(tables)}")
        return tables[model]

    def _defaults(self) -> Document:
        now = clock.stored_now()
        places = {"organization_id": self.organization_id, "deployment_id": self.deployment_ids[0]}
        asked: Document = {
            "input_data": {},
            "output_template": None,
            "retry_count": 5,
            "distribution": None,
            "user_env_vars": {},
        }
        version = {"model_version_id": "ver-1111111111111111", "model_version": "0.0.1", "models": {}}
        times = {"created_at": now, "modified_at": now}
        return {"run_id": self._book.new_run_id(), **places, **version, **asked, "status": "SUBMITTED", **times}


def _may(now: str, then: str, retries: int) -> bool:
    if now in TERMINAL or then not in STATUSES:
        return False
    if then == "FAILED":
        return True
    back = STATUSES.index(then) < STATUSES.index(now)
    return then != now and (not back or (now == "RUNNING" and retries > 0))
