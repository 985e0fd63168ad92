"""Every exception of syncer, with its exit code and its sentence for people.

::

    SyncerError                     exit 1  internal error, unless a subclass says otherwise
    ├── UsageError                  exit 2  what was asked for cannot be done as asked
    │   ├── InvalidInput                    a value the model's description refuses
    │   ├── RecordNotFound                  also a LookupError and a ValueError
    │   ├── RecordExists                    the id is taken
    │   ├── KeyReused                       an idempotency key of the caller's was used for something else
    │   ├── RecordLocked                    somebody holds the record's lock, for now
    │   ├── NestedTransaction               a write inside a transaction of the same thread
    │   ├── SettingError                    a setting is missing or malformed
    │   └── QueryError                      SQL that SQLite refuses, or that ran too long
    ├── NeedsAttention              exit 3  finished, but some records wait for a person
    ├── RemoteError                 exit 4  nothing lost, try later
    │   ├── Unreachable                     no answer from the remote
    │   ├── AccessRefused                   401 or 403: the credentials
    │   ├── RemoteRefused                   an answer that cannot be worked with
    │   │   └── GraphQLFailed               errors in the answer to a caller's own GraphQL
    │   ├── SyncRunning                     another sync holds this remote's lease
    │   └── LeaseLost                       this sync was overtaken and has been fenced off
    └── DatabaseError               exit 5  the local file
        ├── NotOurDatabase   NewerDatabase   OlderDatabase   CorruptDatabase
        ├── ReadOnlyDatabase DiskFull        DatabaseBusy
        ├── UnknownOutcome                  the write may be in the file or not
        ├── TooManyFiles                    the process may open no more of them
        └── UnsafeLocation                  where it lies, accepted writes could vanish
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar


class SyncerError(Exception):
    """What happened, to which record, why, and what to do next.

    ``code`` is a stable kebab-case name for programs, ``exit_code`` what the command line ends with.
    """

    code: ClassVar[str] = "internal-error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        what: str,
        *,
        record: str | None = None,
        why: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.what = what
        self.record = record
        self.why = why
        self.hint = hint
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """One line for people, without the hint."""
        text = self.what
        if self.record:
            text += f" ({self.record})"
        if self.why:
            text += f": {self.why}"
        return text

    def as_dict(self) -> dict[str, str | None]:
        """The same facts for ``--json``."""
        return {
            "code": self.code,
            "what": self.what,
            "record": self.record,
            "why": self.why,
            "hint": self.hint,
        }


class UsageError(SyncerError):
    """What was asked for cannot be done as asked."""

    code = "usage"
    exit_code = 2


class InvalidInput(UsageError, ValueError):
    """A value that the model's description refuses; nothing was stored."""

    code = "invalid-input"


class RecordNotFound(UsageError, LookupError, ValueError):
    """No such record in the local file."""

    code = "record-not-found"


class RecordExists(UsageError):
    """A record with this id is in the local file already."""

    code = "record-exists"


class KeyReused(UsageError):
    """An idempotency key the caller brought was used for another request already."""

    code = "key-reused"


class RecordLocked(UsageError):
    """Somebody holds the lock of this record; it ends by itself."""

    code = "record-locked"
    retryable = True


class NestedTransaction(UsageError, RuntimeError):
    """A write, or another transaction, inside a transaction of the same thread; also in a signal handler."""

    code = "nested-transaction"


class SettingError(UsageError):
    """A setting is missing or malformed; names the setting."""

    code = "setting"


class QueryError(UsageError):
    """SQL that SQLite refuses, or that ran longer than allowed."""

    code = "query"


class NeedsAttention(SyncerError):
    """The run finished, but some records wait for a person."""

    code = "needs-attention"
    exit_code = 3


class RemoteError(SyncerError):
    """A remote could not be used; nothing is lost, and what is pending goes out later."""

    code = "remote"
    exit_code = 4
    retryable = True


class Unreachable(RemoteError):
    """No usable answer from the remote. ``connected``: it was there, so that another try may help at once."""

    code = "unreachable"
    connected: bool = False
    retry_after_s: float | None = None

    def having(self, *, connected: bool, retry_after_s: float | None = None) -> Unreachable:
        """The same error with what is known about trying again."""
        self.connected = connected
        self.retry_after_s = retry_after_s
        return self


class AccessRefused(RemoteError):
    """The remote refused the credentials (401 or 403)."""

    code = "access-refused"


class RemoteRefused(RemoteError):
    """The remote answered with something that cannot be worked with."""

    code = "remote-refused"


class GraphQLFailed(RemoteRefused):
    """GraphQL of a caller's own was answered with errors. ``errors``: all of them; ``data``: what came besides."""

    code = "graphql-failed"
    errors: tuple[dict[str, Any], ...] = ()
    data: Mapping[str, Any] = MappingProxyType({})

    def having(self, *, errors: tuple[dict[str, Any], ...], data: Mapping[str, Any]) -> GraphQLFailed:
        """The same error with the answer it stands for."""
        self.errors = errors
        self.data = data
        return self


class SyncRunning(RemoteError):
    """Another sync of the same file and remote is at work."""

    code = "sync-running"


class LeaseLost(RemoteError):
    """This sync stood still past its lease and another one took over."""

    code = "lease-lost"


class DatabaseError(SyncerError):
    """The local database file cannot be used."""

    code = "database"
    exit_code = 5


class NotOurDatabase(DatabaseError):
    """The file is a database of some other program, or no database at all."""

    code = "not-our-database"


class NewerDatabase(DatabaseError):
    """The file was written by a newer syncer."""

    code = "newer-database"


class OlderDatabase(DatabaseError):
    """The file needs an upgrade before it can be used this way."""

    code = "older-database"


class CorruptDatabase(DatabaseError):
    """SQLite finds the file damaged."""

    code = "corrupt-database"


class ReadOnlyDatabase(DatabaseError):
    """The file or its folder cannot be written."""

    code = "read-only-database"


class TooManyFiles(DatabaseError):
    """The process, or the machine, may open no more files; the database was not opened."""

    code = "too-many-files"
    retryable = True


class UnsafeLocation(DatabaseError):
    """Where the file lies, accepted writes could vanish; it was not opened."""

    code = "unsafe-location"


class DiskFull(DatabaseError):
    """No room to make the write durable; it was not accepted."""

    code = "disk-full"


class DatabaseBusy(DatabaseError):
    """Another process held the write lock longer than the busy limit."""

    code = "database-busy"
    retryable = True


class UnknownOutcome(DatabaseError):
    """The write may be in the file or not: look before you repeat it. ``record`` says what to look for."""

    code = "unknown-outcome"

    def about(self, record: str) -> UnknownOutcome:
        """The same error with the record to look for."""
        return UnknownOutcome(self.what, record=record, why=self.why, hint=self.hint)
