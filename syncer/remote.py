"""What the engine and a remote say to each other, and nothing else.

The engine knows outbox and cache, the remote knows its wire; both know these words. Values of rows travel in *stored form*:
what a column holds (times as 27-character text, JSON as text, flags as 0 or 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from syncer.schema.model import Model

if TYPE_CHECKING:
    from syncer.config import Setting

Row = dict[str, Any]
"""Stored values by the remote's field names; ``extra`` holds what the description does not know."""


class Op(StrEnum):
    """What a change does to its record. A model's own actions go by their plain names beside these."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


def op_named(name: str) -> str:
    """The Op called ``name``, or the name itself for an action."""
    return Op(name) if name in Op.__members__.values() else name


class State(StrEnum):
    """Where a waiting change stands. How a change left the outbox is not a state but its outcome in the ledger."""

    PENDING = "pending"
    SENDING = "sending"
    AMBIGUOUS = "ambiguous"
    REJECTED = "rejected"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Change:
    """One waiting write. ``body`` is the serialized wire text, None until the first attempt; it never changes under a key.

    ``state`` and ``attempted_at`` tell of the attempt before this one.
    """

    seq: int
    model: Model
    key: str
    op: str
    fields: tuple[str, ...]
    idem_key: str
    state: State
    attempts: int
    body: str | None = None
    created_at: str = ""
    attempted_at: str | None = None

    @property
    def edits(self) -> bool:
        """True for what changes fields of a record that is there: updates and actions."""
        return self.op not in (Op.CREATE, Op.DELETE)

    @property
    def record(self) -> str:
        """How messages name the record."""
        return f"{self.model.remote} {self.model.name} {self.key}"


NOT_DEPLOYED = "not-deployed"
"""Code of a receipt (LATER): this deployment of the remote has no such model. The change stays until it has one."""

FIELD_NOT_DEPLOYED = "field-not-deployed"
"""Code of an update all of whose fields this deployment of the remote lacks. It stays until there is one that has them."""

DESCRIBED_ANEW = "described-anew"
"""Code of a receipt (LATER): the body names what this deployment lacks. It did not run and is to be made anew."""


class ReceiptKind(StrEnum):
    """What became of one sent change."""

    ACKED = "acked"  # applied, now or earlier
    REFUSED = "refused"  # for good; a person must look
    DIFFERS = "differs"  # not applied: the remote's record is not what the change was based on
    LATER = "later"  # surely not applied
    AMBIGUOUS = "ambiguous"  # may be applied


@dataclass(frozen=True, slots=True)
class Receipt:
    """``stored``: what the remote says of the record now, in stored form (all fields for DIFFERS, None if it has none).

    ``key``: the record's key on the remote where that made it; the local one becomes it everywhere. ``due_s``: when to ask
    again at the earliest, in seconds. ``reason`` of an acked change, if any, is kept with it in the ledger.
    ``others``: what the answer says of other records, for the rows there are of them: (model, key, fields in stored form).
    ``request_id``: what the remote calls the request, empty where it does not say. ``most``: how many attempts may end with
    this ``code`` before it is a refusal for good.
    """

    seq: int
    kind: ReceiptKind
    stored: Row | None = None
    code: str = ""
    reason: str = ""
    key: str | None = None
    due_s: float | None = None
    others: tuple[tuple[Model, str, Row], ...] = ()
    request_id: str = ""
    most: int | None = None


class StopReason(StrEnum):
    """Why nothing more should be sent to this remote for now."""

    ACCESS = "access"  # 401, 403
    UNREACHABLE = "unreachable"  # no connection at all
    THROTTLED = "throttled"  # told to wait


@dataclass(frozen=True, slots=True)
class PushResult:
    """Receipts for every change of one batch.

    ``divisible``: the request as a whole was refused and nothing ran; send halves. ``halt`` and ``retry_after_s``: wait.
    ``elapsed_s``: how long the remote took, which steers the batch size. ``notes``: what people should read in the report.
    """

    receipts: tuple[Receipt, ...]
    divisible: bool = False
    halt: StopReason | None = None
    retry_after_s: float | None = None
    reason: str = ""
    elapsed_s: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One page to be pulled: from which partition, at or after which cursor, following which token.

    ``parent``: the row whose children are asked for, where the plan goes by parents.
    """

    model: Model
    partition: str | None = None
    cursor: str | None = None
    token: str | None = None
    limit: int = 1000
    parent: Row | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """``rows``: stored values in the order of ``model.fields``, then ``extra``. ``token`` is None on the last page.

    ``server_time``: the remote's clock when it answered, stored form, or None. ``created_by_key``: idempotency keys, by
    record key, of records that carry the key of the create that made them; of records with the same one, the first is the
    one to keep.
    ``notes``: what people should read in the report.
    """

    rows: Sequence[tuple[Any, ...]]
    token: str | None = None
    server_time: str | None = None
    skipped: int = 0
    created_by_key: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may carry; ``fetch``: about how many records by key."""

    first_batch: int = 25
    max_batch: int = 100
    max_bytes: int = 200_000
    senders: int = 4
    page: int = 1000
    fetch: int = 1


class Connection(Protocol):
    """One kept-alive connection to a remote, used by one thread at a time."""

    def push(self, changes: Sequence[Change]) -> PushResult:
        """Send serialized changes in one request. Never raises for what a remote or network does."""
        ...

    def page(self, request: PageRequest) -> Page:
        """One page. Raises: RemoteError."""
        ...

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Records by key text, in stored form; None for those the remote has not. ``known``: our rows of them.

        Raises: RemoteError.
        """
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


@runtime_checkable
class SupportsLookup(Protocol):
    """What a connection may be able to do besides: find records by something else than their key."""

    def lookup(self, model: Model, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
        """For each of ``wanted`` (stored values by field name) the records that hold them all, in stored form.

        Raises: RemoteError.
        """
        ...


PLACEHOLDER_PREFIX = "planned-"
"""How the ids begin that a plan uses in the place of those that the remote will give."""


@runtime_checkable
class SupportsPreview(Protocol):
    """What a remote may be besides: one that can tell something of its answers without being asked."""

    def preview(self, change: Change) -> Receipt:
        """The receipt of a serialized change: of a refusal that is certain, else as if all went well."""
        ...


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """How one model of a deployment differs from its description; equal ones compare equal to ``SchemaDifference()``.

    ``unknown``: plain fields it has that are not described. ``absent``: described fields it lacks. ``unsent``: stamps it
    answers, but takes in no input. ``demanded``: fields not described that every create must carry. ``nowhere``: it has no
    such model.
    """

    unknown: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unsent: tuple[str, ...] = ()
    demanded: tuple[str, ...] = ()
    nowhere: bool = False


@runtime_checkable
class SupportsIntrospection(Protocol):
    """What a remote may be besides: one whose deployments differ. Its ``models`` change in place with what is learned."""

    @property
    def differences(self) -> Mapping[str, SchemaDifference]:
        """What is known of the deployment, by model; those that are as described are left out."""
        ...

    def adapt(self, differences: Mapping[str, SchemaDifference]) -> None:
        """Take up what was remembered."""
        ...

    def probe(self, models: Sequence[str]) -> str | None:
        """Compare these models with the deployment, whatever is known; the server's time, stored form.

        Raises: RemoteError.
        """
        ...


class Remote(Protocol):
    """What a platform must offer to be synced."""

    name: str
    models: Mapping[str, Model]
    limits: Limits

    def missing_settings(self) -> Sequence[str]:
        """Environment names of the settings still needed before this remote can be used; empty when configured."""
        ...

    def pull_sources(self) -> Mapping[str, Sequence[str]]:
        """Values of settings that pulls start from, by setting name (for example ``account_key``).

        ``place`` is the address of the remote: checkpoints made at another one say nothing here.
        """
        ...

    def serialize(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text of ``change``: what is sent for it, now and at every repeat."""
        ...

    def written_fields(self, change: Change) -> Row:
        """What a serialized change writes, in stored form, without the key."""
        ...

    def connect(self) -> Connection:
        """A new connection."""
        ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """What an entry point of the group ``syncer.remotes`` names: all that is needed to use a remote.

    ``make`` gets the settings that have a value, by name. It is called only where the remote is really used, and may import
    what speaks to the network then: ``models`` and ``settings`` are read by commands that must start fast.
    """

    models: Mapping[str, Model]
    settings: tuple[Setting, ...]
    make: Callable[[Mapping[str, str]], Remote]
