"""The whole examination: the local file, its bookkeeping, the settings, and on demand the remotes."""

from __future__ import annotations

import os
import platform
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncer import clock
from syncer.adapters import registry
from syncer.config import Settings, path_of
from syncer.diagnostics import ledger
from syncer.diagnostics import settings as diagnostics_settings
from syncer.diagnostics.file import FAIL, OK, WARN, Finding, file_findings
from syncer.diagnostics.library import library_findings
from syncer.engine.schema_drift import SchemaDrift, sentences
from syncer.engine.verify.diff import inconsistent
from syncer.engine.verify.repair import local_states
from syncer.errors import DatabaseError, RemoteError, RemoteRefused, SettingError
from syncer.redact import redacted
from syncer.remote import PageRequest, Remote, SupportsIntrospection
from syncer.schema.model import Model
from syncer.schema.pull import FullList
from syncer.store import hints
from syncer.store.database import Database, Transaction
from syncer.store.file import wal
from syncer.store.reader import Reader
from syncer.version import __version__

_BLOCK = 500
_NAMED = 5
_FAR_OFF_S = 60.0
_EXIT_CODES = {"file": 5, "records": 5, "remote": 4, "settings": 2}
_WAITING = "SELECT DISTINCT key FROM outbox WHERE remote = ? AND model = ? AND key > ? ORDER BY key LIMIT ?"
_NO_ONE = "doctor"


@dataclass(slots=True)
class Diagnosis:
    """Everything that was looked at."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 when nothing failed (warnings included), 5 a damaged file, 4 a remote out of reach, 2 unusable settings."""
        failed = {_EXIT_CODES.get(found.area, 1) for found in self.findings if found.verdict == FAIL}
        return max(failed, default=0)

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        count = {verdict: sum(f.verdict == verdict for f in self.findings) for verdict in (OK, WARN, FAIL)}
        return {"exit_code": self.exit_code, **count, "findings": [found.as_dict() for found in self.findings]}


def examine(settings: Settings, *, remote: bool = False) -> Diagnosis:
    """Look at everything; ``remote``: ask the configured remotes too. Changes nothing but what is known of deployments.

    Raises: SettingError for a database that cannot be one.
    """
    path = path_of(settings.db)
    found = [_program(), *library_findings(settings.durability)]
    with suppress(OSError):  # where the path cannot be gone, the findings of the file say so
        found += _log_findings(path)
    found += file_findings(path, settings.allow)
    usable = all(each.verdict != FAIL for each in found) and path.exists()
    if usable:
        found += _records(path)
    found += _settings(settings)
    if remote:
        database = Database(path, durability=settings.durability) if usable else None
        try:
            for name in registry.usable():
                found += _remote(name, settings, database)
        finally:
            if database is not None:
                database.close()
    hidden = registry.secrets(settings)
    return Diagnosis([_without(each, hidden) for each in found])


def _without(found: Finding, hidden: tuple[str, ...]) -> Finding:
    hint = found.hint and redacted(found.hint, hidden)
    return Finding(found.area, found.check, found.verdict, redacted(found.text, hidden), hint)


def _program() -> Finding:
    text = f"syncer {__version__}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return Finding("program", "version", OK, text)


def _records(path: Path) -> list[Finding]:
    """The bookkeeping, read without being able to write."""
    database = Database(path)
    try:
        with Reader(path) as reader:
            found = [_ledger(reader), _rowless(reader), _interrupted(reader), _orphans(reader), _dangling(reader)]
        return [*found, *_waiting(database)]
    except DatabaseError as exc:
        return [Finding("records", "records", FAIL, exc.sentence, exc.hint)]
    finally:
        database.close()


def _ledger(reader: Reader) -> Finding:
    gone = ledger.unaccounted(reader)
    if gone:
        holes = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in reversed(ledger.missing(reader)))
        text = f"the ledger is not consistent: {gone:+,} changes are not accounted for"
        text += f"; numbers of which nothing is there: {holes}" if holes else ""
        return Finding("records", "ledger", FAIL, text, hints.damaged(reader.path))
    return Finding("records", "ledger", OK, "consistent: every change ever accepted is pending or has an outcome")


def _rowless(reader: Reader) -> Finding:
    found = [each for name in registry.usable() for each in ledger.rowless(reader, registry.models(name))]
    if not found:
        return Finding("records", "rows", OK, "every pending change has its row")
    named = ", ".join(f"{each.count:,} of {each.model} (change {each.example})" for each in found[:_NAMED])
    text = f"pending changes have lost the rows with their values: {named}"
    return Finding("records", "rows", FAIL, text, hints.damaged(reader.path))


def _log_findings(path: Path) -> list[Finding]:
    """Whether the log beside the file is its own; asked before anything opens the file, which would apply the log."""
    if not path.exists():
        return []
    wrong = wal.foreign(path)
    if wrong:
        text = f"the log beside the file belongs to another database: {wrong}"
        hint = f"open neither: SQLite would mix them; to take both apart: {hints.recover(path)}"
        return [Finding("file", "log", FAIL, text, hint)]
    if not wal.may_look(path):
        return [Finding("file", "log", OK, wal.NOT_LOOKED_AT)]
    if wal.is_torn(path):
        text = "the log's pages are older than its header, as after a crash: SQLite ignores them"
        return [Finding("file", "log", WARN, text, f"if a change is missing: {hints.recover(path)}")]
    return []


def _interrupted(reader: Reader) -> Finding:
    left = ledger.interrupted(reader, clock.stored_now())
    if left:
        text = f"{_by_remote(left)}: left in the middle of being sent by a sync that is gone"
        return Finding("records", "sending", WARN, text, "run: syncer push   (it finds out what became of them)")
    return Finding("records", "sending", OK, "nothing is left in the middle of being sent")


def _orphans(reader: Reader) -> Finding:
    left = ledger.orphans(reader)
    if left:
        text = f"{_by_remote(left)}: bases of records without a pending change"
        return Finding("records", "bases", WARN, text, f"run: syncer verify {next(iter(left))} --repair, and report it")
    return Finding("records", "bases", OK, "every base belongs to a pending change")


def _dangling(reader: Reader) -> Finding:
    found = [each for name in registry.usable() for each in ledger.dangling(reader, registry.models(name))]
    if not found:
        return Finding("records", "references", OK, "pending changes point at records that are here")
    named = ", ".join(f"{d.count:,} {d.model}.{d.field} to a {d.target} (change {d.example})" for d in found[:_NAMED])
    text = f"pending changes point at records that are not in the file: {named}"
    return Finding("records", "references", WARN, text, "if the remote has them: syncer pull; else: syncer outbox show SEQ")


def _by_remote(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} of {remote}" for remote, n in counts.items())


def _waiting(database: Database) -> Iterator[Finding]:
    """Base and waiting changes must make up the row, for every row with changes (I17)."""
    for name in registry.usable():
        looked, odd = database.read(lambda tx, name=name: _unsound(tx, registry.models(name)))  # type: ignore[misc]
        if odd:
            text = f"{len(odd):,} of {looked:,} {name} records are not their base with the pending edits on top: "
            text += ", ".join(odd[:_NAMED])
            yield Finding("records", f"{name} rows", FAIL, text, f"run: syncer verify {name} --repair")
        elif looked:
            yield Finding("records", f"{name} rows", OK, f"{looked:,} with pending changes are consistent")


def _unsound(tx: Transaction, models: Mapping[str, Model]) -> tuple[int, list[str]]:
    looked, odd = 0, []
    for model in models.values():
        last = ""
        while keys := [row[0] for row in tx.rows(_WAITING, (model.remote, model.name, last, _BLOCK))]:
            last = keys[-1]
            for key, local in local_states(tx, model, keys).items():
                looked += 1
                if local.changes and inconsistent(model, key, local) is not None:
                    odd.append(f"{model.name} {key}")
    return looked, odd


def _settings(settings: Settings) -> Iterator[Finding]:
    if settings.config_path is not None:
        yield _config_file(settings.config_path)
    for name in registry.names():
        try:
            values = diagnostics_settings.of_remote(settings, name)
            missing = registry.missing_settings(name, settings)
            if not missing:
                registry.remote(name, settings).connect().close()  # refuses addresses that credentials must not go to
        except SettingError as exc:
            yield Finding("settings", name, FAIL, exc.sentence, exc.hint)
            continue
        if missing:
            yield Finding("settings", name, OK, f"not configured: {' and '.join(missing)} not set")
        else:
            named = ", ".join(f"{v.env} ({v.source})" for v in values if v.value is not None)
            yield Finding("settings", name, OK, f"configured: {named or 'defaults'}")


def _config_file(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        text = f"others on this machine may read {path} (mode {mode:04o})"
        return Finding("settings", "file", WARN, text, f"run: chmod 600 {path}")
    return Finding("settings", "file", OK, str(path))


def _remote(name: str, settings: Settings, database: Database | None) -> Iterator[Finding]:
    try:
        if registry.missing_settings(name, settings):
            return
        remote = registry.remote(name, settings)
        server_time = _greeted(remote, database)
    except SettingError:
        return  # told among the settings
    except RemoteRefused as exc:
        yield Finding("remote", f"{name} answers", WARN, exc.sentence, exc.hint)
        return
    except RemoteError as exc:
        yield Finding("remote", f"{name} answers", FAIL, exc.sentence, exc.hint)
        return
    yield Finding("remote", f"{name} answers", OK, "reached, and the credentials are good")
    if server_time is not None:
        yield _clock(name, server_time)
    if isinstance(remote, SupportsIntrospection):
        yield from _schema(name, remote)


def _greeted(remote: Remote, database: Database | None) -> str | None:
    """The remote's time, after the cheapest question it answers. Raises: RemoteError."""
    if isinstance(remote, SupportsIntrospection):
        if database is None:
            return remote.probe(list(remote.models))
        drift = SchemaDrift(database, remote)
        drift.load()
        return drift.inspect(list(remote.models))
    model = next(iter(remote.models.values()))
    connection = remote.connect()
    try:
        return connection.page(PageRequest(model, _partition(remote, model), limit=1)).server_time
    finally:
        connection.close()


def _partition(remote: Remote, model: Model) -> str:
    plan = model.pull
    named = remote.pull_sources().get(plan.setting or "", ()) if isinstance(plan, FullList) else ()
    return next(iter(named), _NO_ONE)


def _clock(name: str, server_time: str) -> Finding:
    ahead_s = (clock.parsed(server_time) - clock.now()).total_seconds()
    if abs(ahead_s) > _FAR_OFF_S:
        side = "behind" if ahead_s > 0 else "ahead of"
        text = f"this machine's clock is {round(abs(ahead_s)):,} s {side} the server's"
        return Finding("remote", f"{name} clock", WARN, text, "set the clock: what is written here takes its times from it")
    return Finding("remote", f"{name} clock", OK, f"within {max(1, round(abs(ahead_s)))} s of the server's")


def _schema(name: str, remote: SupportsIntrospection) -> Iterator[Finding]:
    described = registry.models(name)
    older = {model for model, found in remote.differences.items() if found.nowhere and described[model].legacy}
    if older:
        text = f"the deployment is of today: without {', '.join(sorted(older))}, whose changes stay here"
        yield Finding("remote", f"{name} schema", OK, text)
    said = sentences(name, {model: found for model, found in remote.differences.items() if model not in older})
    for text, hint in said:
        yield Finding("remote", f"{name} schema", WARN, text, hint)
    if not said and not older:
        yield Finding("remote", f"{name} schema", OK, "the deployment is as described")
