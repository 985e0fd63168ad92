"""What the public calls do to the local file: one transaction each, durable when they return, without the network.

A write looks at the rows it concerns, lets :mod:`lifecycle` judge it, and stores row and waiting change together. Times are
those of the call. A call that comes again with its key is answered with the row of its first time, as that is by now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from syncer import clock, ids
from syncer.adapters.prefactor import pfid
from syncer.errors import InvalidInput, KeyReused
from syncer.prefactor import lifecycle, shown
from syncer.prefactor.errors import KEY_REUSED, PrefactorApiError, PrefactorValidationError
from syncer.prefactor.models import (
    AgentInstance,
    AgentSpan,
    CreateAgentSpanRequest,
    FinishInstanceRequest,
    FinishSpanRequest,
    FinishStatus,
)
from syncer.prefactor.shown import INSTANCE, SPAN
from syncer.records import bases, idempotency, rows
from syncer.records import write as records_write
from syncer.remote import Row
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

Work = Callable[[Transaction, str | None], Row]


class Writes:
    """Writes to one local file, in the words of the endpoints.

    Raises: ValueError for a key over 64 characters, the errors of :mod:`lifecycle`, PrefactorValidationError for values that
    cannot be stored, pydantic's ValidationError for those the original refuses so, DatabaseError. Then nothing was stored.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(
        self,
        agent_id: str,
        agent_version: Mapping[str, Any],
        agent_schema_version: Mapping[str, Any],
        *,
        id: str | None,
        key: str | None,
        update_current_version: bool,
    ) -> AgentInstance:
        """A new pending instance."""
        asked = {
            "agent_id": agent_id,
            "agent_version": agent_version,
            "agent_schema_version": agent_schema_version,
            "id": id,
            "update_current_version": update_current_version,
        }
        _check_register(asked)

        def work(tx: Transaction, idem_key: str | None) -> Row:
            if id is not None:
                lifecycle.absent(records_write.row_of(tx, INSTANCE, id), lifecycle.INSTANCE, id)
            made = id or _minted(_partition(tx, agent_id))
            fields = lifecycle.registered(agent_id, id=made, now=clock.stored_now())
            return _store(tx, INSTANCE, {**fields, **asked, "id": made}, minted=id is None, idem_key=idem_key)

        return shown.instance(self._once("agent_instances/register", INSTANCE, asked, key, work))

    def start(self, agent_instance_id: str, timestamp: datetime | None, *, key: str | None) -> AgentInstance:
        """The instance, active."""
        asked = {"agent_instance_id": agent_instance_id, "timestamp": timestamp}
        _check_ids({"agent_instance_id": agent_instance_id})

        def work(tx: Transaction, idem_key: str | None) -> Row:
            instance = _instance(tx, agent_instance_id)
            changes = lifecycle.started(instance, now=clock.stored_now(), timestamp=timestamp)
            return _act(tx, INSTANCE, instance["id"], "start", changes, idem_key)

        return shown.instance(self._once("agent_instances/start", INSTANCE, asked, key, work))

    def finish(
        self, agent_instance_id: str, status: FinishStatus | None, timestamp: datetime | None, *, key: str | None
    ) -> AgentInstance:
        """The instance, finished."""
        FinishInstanceRequest(status=status)
        _check_ids({"agent_instance_id": agent_instance_id})
        asked = {"agent_instance_id": agent_instance_id, "status": status, "timestamp": timestamp}

        def work(tx: Transaction, idem_key: str | None) -> Row:
            instance = _instance(tx, agent_instance_id)
            changes = lifecycle.finished(instance, now=clock.stored_now(), status=status, timestamp=timestamp)
            return _act(tx, INSTANCE, instance["id"], "finish", changes, idem_key)

        return shown.instance(self._once("agent_instances/finish", INSTANCE, asked, key, work))

    def create_span(
        self,
        request: CreateAgentSpanRequest,
        *,
        started_at: datetime | None,
        finished_at: datetime | None,
        key: str | None,
    ) -> AgentSpan:
        """A new span of an instance that is here, or that was made elsewhere. Times win over those of ``request``."""
        asked = {**request.model_dump(exclude={"idempotency_key"}), "started_at": started_at, "finished_at": finished_at}
        _check_ids({name: asked[name] for name in ("id", "parent_span_id") if asked[name] is not None})
        if not request.schema_name:
            raise _invalid({"schema_name": ["can't be blank"]})

        def work(tx: Transaction, idem_key: str | None) -> Row:
            instance = _instance(tx, request.agent_instance_id, of_span=True)
            if request.id is not None:
                lifecycle.absent(records_write.row_of(tx, SPAN, request.id), lifecycle.SPAN, request.id)
            parent = _parent(tx, request.parent_span_id, instance)
            known = {
                "agent_instance_id": instance["id"],
                "parent_span_id": parent["id"] if parent else request.parent_span_id,
            }
            fields = lifecycle.created(
                request.model_copy(update=known),
                id=request.id or _minted(_first_partition(instance["id"], instance["agent_id"], instance["account_id"])),
                now=clock.stored_now(),
                started_at=started_at,
                finished_at=finished_at,
                instance=instance,
                parent=parent,
            )
            _count(tx, instance, fields["status"])
            return _store(tx, SPAN, fields, minted=request.id is None, idem_key=idem_key)

        return shown.span(self._once("agent_spans/create", SPAN, asked, key, work))

    def finish_span(
        self,
        agent_span_id: str,
        status: FinishStatus | None,
        result_payload: dict[str, Any] | None,
        timestamp: datetime | None,
        *,
        key: str | None,
    ) -> AgentSpan:
        """The span, finished. It must be in the local file."""
        FinishSpanRequest(status=status, result_payload=result_payload)
        asked = {
            "agent_span_id": agent_span_id,
            "status": status,
            "result_payload": result_payload,
            "timestamp": timestamp,
        }

        def work(tx: Transaction, idem_key: str | None) -> Row:
            row = records_write.row_of(tx, SPAN, agent_span_id)
            span = lifecycle.existing(row and shown.fields_of(SPAN, row), lifecycle.SPAN, agent_span_id)
            changes = lifecycle.finished(
                span, now=clock.stored_now(), status=status, timestamp=timestamp, result_payload=result_payload
            )
            above = records_write.row_of(tx, INSTANCE, span["agent_instance_id"])
            if above is not None:
                _count(tx, shown.fields_of(INSTANCE, above), changes["status"], span["status"])
            return _act(tx, SPAN, span["id"], "finish", changes, idem_key)

        return shown.span(self._once("agent_spans/finish", SPAN, asked, key, work))

    def _once(self, operation: str, model: Model, asked: Mapping[str, Any], key: str | None, work: Work) -> Row:
        """The row that ``work`` makes, or made when ``key`` came first."""
        key = lifecycle.checked_key(key)
        print_ = "" if key is None else lifecycle.fingerprint(operation, asked)

        def once(tx: Transaction) -> Row:
            made = None if key is None else idempotency.made(tx, model, key, print_)
            if made is not None:
                kind = lifecycle.SPAN if model is SPAN else lifecycle.INSTANCE
                return dict(lifecycle.existing(records_write.row_of(tx, model, made), kind, made))
            row = work(tx, key)
            if key is not None:
                idempotency.remember(tx, model, key, model.key_text(row), print_)
            return row

        try:
            return self._database.write(once)
        except KeyReused as exc:
            raise PrefactorApiError(f"The idempotency key {key!r} was used for another request", KEY_REUSED, 409) from exc
        except InvalidInput as exc:
            raise PrefactorValidationError(exc.sentence, "validation_errors", 422, {}) from exc


def _check_register(asked: Mapping[str, Any]) -> None:
    _check_ids({name: asked[name] for name in ("agent_id", "id") if name == "agent_id" or asked[name] is not None})
    odd = [name for name in ("agent_version", "agent_schema_version") if not isinstance(asked[name], Mapping)]
    if odd:
        raise _invalid({name: ["is not an object"] for name in odd})


def _check_ids(given: Mapping[str, Any]) -> None:
    """Raises: PrefactorValidationError for what can be no id."""
    blank = [name for name, value in given.items() if not isinstance(value, str) or value in ("", ".", "..")]
    if blank:
        raise _invalid({name: ["can't be blank" if given[name] in (None, "") else "is not an id"] for name in blank})


def _invalid(errors: dict[str, Any]) -> PrefactorValidationError:
    return PrefactorValidationError("Validation failed", "validation_errors", 422, errors)


def _instance(tx: Transaction, key: str, *, of_span: bool = False) -> dict[str, Any]:
    """The fields of an instance; one that was made elsewhere gets a stub here, which the next pull fills.

    Raises: PrefactorNotFoundError for an id that nobody else can have made; for a span it must be a PFID, because a wrong
    one would cost all the spans.
    """
    row = records_write.row_of(tx, INSTANCE, key)
    elsewhere = pfid.valid(key) if of_span else not ids.is_local(key)
    if row is None and elsewhere:
        row = shown.stored(INSTANCE, lifecycle.made_elsewhere(key, now=clock.stored_now()))
        rows.add(tx, INSTANCE, row)
        row["extra"] = None
    found = lifecycle.existing(row, lifecycle.INSTANCE, key)
    return shown.fields_of(INSTANCE, dict(found))


def _parent(tx: Transaction, key: str | None, instance: Mapping[str, Any]) -> dict[str, Any] | None:
    """The fields of a parent span; None where there is none, or where it may have been made elsewhere.

    Raises: PrefactorValidationError for an id that no span of this instance can have.
    """
    if key is None:
        return None
    row = records_write.row_of(tx, SPAN, key)
    if row is not None:
        return shown.fields_of(SPAN, row)
    if pfid.partition_of(key) is None or pfid.partition_of(key) != (pfid.partition_of(instance["id"])):
        raise _invalid({"parent_span_id": [f"{key} is neither in the local file nor an id of this account"]})
    return None


def _store(tx: Transaction, model: Model, fields: Mapping[str, Any], *, minted: bool, idem_key: str | None) -> Row:
    row = {**dict.fromkeys((*model.by_name, "extra")), **shown.stored(model, fields)}
    records_write.write_create(tx, model, row, minted, idem_key)
    return row


def _act(tx: Transaction, model: Model, key: str, action: str, changes: Mapping[str, Any], idem_key: str | None) -> Row:
    sent = {name: value for name, value in changes.items() if name != model.changed_at}
    return records_write.write_action(tx, model, key, action, shown.stored(model, sent), idem_key)


def _count(tx: Transaction, instance: Mapping[str, Any], after: str, before: str | None = None) -> None:
    """Let the instance's row, and what is known of the remote's, count the span; nobody has to be told."""
    counts = lifecycle.counted(instance["span_counts"], after, before)
    if counts is None:
        return
    counted = shown.stored(INSTANCE, {"span_counts": counts})
    rows.set_fields(tx, INSTANCE, instance["id"], counted)
    base = bases.get(tx, INSTANCE, instance["id"])
    if base is not None:
        bases.put(tx, INSTANCE, instance["id"], {**base, **counted})


def _minted(partition: int | None) -> str:
    """A PFID, or a local id that the remote's takes the place of, where the account is not known."""
    return ids.new_local_id() if partition is None else pfid.mint(partition)


def _first_partition(*known: str | None) -> int | None:
    return next((found for key in known if (found := pfid.partition_of(key or "")) is not None), None)


def _partition(tx: Transaction, agent_id: str) -> int | None:
    """The partition of an agent's account: its id tells it, or what the remote told of another of its instances."""
    told = pfid.partition_of(agent_id)
    if told is not None:
        return told
    text, parameters = rows.find_statement(INSTANCE, {"agent_id": agent_id}, "-account_id", 1)
    return _first_partition(*(rows.sql(INSTANCE).as_row(row)["account_id"] for row in tx.rows(text, parameters)))
