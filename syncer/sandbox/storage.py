"""The sandbox's one SQLite file: a connection shared under a lock, and the log of every effect that was applied."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from syncer.errors import UsageError

_EFFECTS = """
CREATE TABLE IF NOT EXISTS effect (
    seq INTEGER PRIMARY KEY, remote TEXT NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL, op TEXT NOT NULL,
    request TEXT NOT NULL, mark TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS ix_effect_model ON effect (remote, model, key);
"""

_ADD_MARK = "ALTER TABLE effect ADD COLUMN mark TEXT NOT NULL DEFAULT ''"  # files from before there were marks

_NOTE = "INSERT INTO effect (remote, model, key, op, request, mark) VALUES (?, ?, ?, ?, ?, ?)"

_EFFECTS_OF = """
SELECT remote, model, key, op, request, mark FROM effect
WHERE remote = ? AND (? IS NULL OR model = ?) AND (? IS NULL OR op = ?) ORDER BY seq
"""


class Effect(NamedTuple):
    """One applied mutation: what it did to which record, and the request that carried it.

    A request that succeeded without changing anything (an identical create repeated, the delete of an absent record)
    leaves no effect. ``mark`` is what the client sent to tell repeats: Prefactor's idempotency key, the environment of an
    ABEJA run as JSON; nothing for Plexus.
    """

    remote: str
    model: str
    key: str
    op: str
    request: str
    mark: str = ""


def _unusable(path: Path | None, exc: sqlite3.Error) -> UsageError:
    return UsageError(f"the sandbox cannot keep its rows in {path}", why=str(exc), hint="name another file with --db")


class Storage:
    """All rows of one sandbox. Every use of :attr:`connection` holds :attr:`lock`.

    Raises: UsageError when the file cannot be opened, or is no database.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self._noted: list[Effect] = []
        try:
            self.connection = sqlite3.connect(
                str(path) if path else ":memory:", isolation_level=None, check_same_thread=False, cached_statements=1024
            )
        except sqlite3.Error as exc:
            raise _unusable(path, exc) from exc
        try:
            self._prepare(in_file=path is not None)
        except sqlite3.Error as exc:
            self.connection.close()
            raise _unusable(path, exc) from exc

    def _prepare(self, *, in_file: bool) -> None:
        run = self.connection.execute
        run("PRAGMA busy_timeout = 5000")
        run("PRAGMA cache_size = -65536")
        if in_file:
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = NORMAL")
            run("PRAGMA wal_autocheckpoint = 10000")
        self.connection.executescript(_EFFECTS)
        if "mark" not in [row[1] for row in run("PRAGMA table_info(effect)")]:
            run(_ADD_MARK)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One SQLite transaction around the block; its effects are logged in the same commit."""
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.executemany(_NOTE, self._noted)
                self.connection.execute("COMMIT")
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            finally:
                self._noted.clear()

    def note(self, effect: Effect) -> None:
        """Log ``effect`` when the transaction now open commits."""
        self._noted.append(effect)

    def effects(self, remote: str, model: str | None = None, op: str | None = None) -> list[Effect]:
        """Every applied mutation in order, optionally of one model and of one kind."""
        with self.lock:
            rows = self.connection.execute(_EFFECTS_OF, (remote, model, model, op, op)).fetchall()
        return [Effect(*row) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self.lock:
            self.connection.close()
