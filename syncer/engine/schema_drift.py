"""How the deployment at a remote's address differs from what is described.

It is recalled before a run, looked at anew once a day, and remembered after it, one row a finding.
Models that the deployment lacks are known by the changes that it had no place for: such a change
stays *pending* under the code ``not-deployed``, with the time at which asking again makes sense.
Nothing else is kept about it: once the changes are gone, or a person retries one, the model counts
as there until the remote denies it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Mapping, Sequence

import sqlalchemy as sa

from syncer import clock
from syncer.engine.report import RemoteReport
from syncer.errors import RemoteError
from syncer.install import upgrade_hint
from syncer.outbox.queue import SENDABLE, names
from syncer.remote import FIELD_NOT_DEPLOYED, NOT_DEPLOYED, Change, Receipt, Remote, SchemaDifference, SupportsIntrospection
from syncer.schema.model import Model
from syncer.store.database import Database, Statement, Transaction
from syncer.store.schema import OUTBOX, SCHEMA_DRIFT

_FRESH_S = 86_400.0
_LOG = logging.getLogger(__name__)


class SchemaDrift:
    """The deployment that a run talks to. Does nothing for remotes that are the same everywhere."""

    def __init__(self, database: Database, remote: Remote) -> None:
        self._database = database
        self._remote = remote
        self._endpoint = (
            next(iter(remote.pull_sources().get("place", ())), "") if isinstance(remote, SupportsIntrospection) else ""
        )
        self._before: dict[str, SchemaDifference] = {}
        self._seen_at: str | None = None
        self._learned: set[str] = set()

    def load(self) -> None:
        """Let the remote know what was found before."""
        remote = self._remote
        if not isinstance(remote, SupportsIntrospection):
            return
        self._before, self._seen_at = self._database.read(lambda tx: known_differences(tx, remote.name, self._endpoint))
        remote.adapt(self._before)
        if self._database.read(lambda tx: _fitting(tx, remote)):  # it was another deployment that had no place for them
            self._database.write(lambda tx: ask_again(tx, remote.name, _fitting(tx, remote)))

    def refresh(self) -> None:
        """Look anew at what was found long ago, if that can be done now."""
        if self._seen_at is not None and self._seen_at < clock.after(-_FRESH_S):
            try:
                self.inspect(list(self._before))
            except RemoteError as exc:
                _LOG.info("%s: %s", self._remote.name, exc.sentence)

    def inspect(self, models: Sequence[str]) -> str | None:
        """Compare ``models`` with the deployment now, and remember it; the server's time. Raises: RemoteError."""
        remote = self._remote
        if not isinstance(remote, SupportsIntrospection):
            return None
        server_time = remote.probe(models)
        self._seen_at = None
        self.save()
        return server_time

    def save(self) -> None:
        """Keep what the remote has learned. What waited for a field or model that is there now is due at once."""
        remote = self._remote
        if not isinstance(remote, SupportsIntrospection) or (
            self._seen_at is not None and dict(remote.differences) == self._before
        ):
            return
        found = dict(remote.differences)
        if not found and not self._before:
            return
        changed = {name for name in {*found, *self._before} if found.get(name) != self._before.get(name)}
        self._learned |= changed

        there_now = {
            name for name, was in self._before.items() if was.nowhere and not found.get(name, SchemaDifference()).nowhere
        }

        def keep(tx: Transaction) -> None:
            save_differences(tx, remote.name, self._endpoint, found, clock.stored_now())
            ask_again(tx, remote.name, there_now | _fitting(tx, remote))

        self._database.write(keep)
        self._before, self._seen_at = found, clock.stored_now()

    def report(self, report: RemoteReport) -> None:
        """Say in ``report``, once, which fields stay here, and what this run found out."""
        remote = self._remote
        if not isinstance(remote, SupportsIntrospection) or not (remote.differences or self._learned):
            return
        kept = self._database.read(lambda tx: kept_fields(tx, remote.name))
        report.unsupported += sum(n for n, _ in kept.values())
        fields = {f"{model}.{field}": n for model, (_, by_field) in kept.items() for field, n in by_field.items()}
        if fields:
            many = ", ".join(f"{name} ({n:,})" for name, n in fields.items())
            report.notes.append(f"this deployment of {remote.name} has no {many}: kept here, not sent")
        learned = {name: found for name, found in remote.differences.items() if name in self._learned}
        report.notes += [text for text, _ in sentences(remote.name, learned, without=fields)]


def _fitting(tx: Transaction, remote: Remote) -> set[str]:
    """The models of which updates wait for fields that the deployment is not known to lack."""
    kept = kept_fields(tx, remote.name)
    return {name for name, (_, fields) in kept.items() if not remote.models[name].absent.issuperset(fields)}


def sentences(
    remote: str, differences: Mapping[str, SchemaDifference], without: Container[str] = ()
) -> list[tuple[str, str | None]]:
    """What the differences of a deployment mean for people, and what to do about it; fields ``without`` are left out."""
    named = {
        kind: [f"{model}.{field}" for model, found in differences.items() for field in getattr(found, kind)]
        for kind in ("absent", "unknown", "demanded")
    }
    nowhere = [model for model, found in differences.items() if found.nowhere]
    absent = [name for name in named["absent"] if name not in without]
    said: list[tuple[str, str | None]] = []
    if nowhere:
        said.append((f"this deployment of {remote} has no {', '.join(nowhere)}: kept here, not sent", None))
    if absent:
        said.append((f"this deployment of {remote} has no {', '.join(absent)}: kept here, not sent", None))
    if named["unknown"]:
        many = ", ".join(named["unknown"])
        said.append((f"this deployment of {remote} has {many}, unknown to this version: kept in the column extra", None))
    if named["demanded"]:
        many = ", ".join(named["demanded"])
        what = f"this deployment of {remote} wants {many} in every create, which this version cannot give"
        said.append((what, upgrade_hint()))
    return said


_d = SCHEMA_DRIFT.c
_AT = (_d.remote == sa.bindparam("r"), _d.endpoint == sa.bindparam("p"))
_KNOWN = Statement(sa.select(_d.model, _d.field, _d.kind, _d.seen_at).where(*_AT).order_by(_d.model, _d.kind, _d.field))
_FORGET = Statement(SCHEMA_DRIFT.delete().where(*_AT))
_ADD = Statement(
    SCHEMA_DRIFT.insert().values({n: sa.bindparam(n) for n in ("remote", "endpoint", "model", "field", "kind", "seen_at")})
)
_BY_FIELD = ("unknown", "absent", "unsent", "demanded")
_WHOLE = "nowhere"


def known_differences(tx: Transaction, remote: str, endpoint: str) -> tuple[dict[str, SchemaDifference], str | None]:
    """What is remembered of the deployment at ``endpoint``, by model, and when the oldest of it was seen."""
    found: dict[str, dict[str, list[str]]] = {}
    oldest: str | None = None
    for model, field, kind, seen_at in tx.all(_KNOWN, (remote, endpoint)):
        found.setdefault(model, {}).setdefault(kind, []).append(field)
        oldest = seen_at if oldest is None else min(oldest, seen_at)
    return {model: _difference(kinds) for model, kinds in found.items()}, oldest


def _difference(kinds: Mapping[str, Iterable[str]]) -> SchemaDifference:
    return SchemaDifference(**{kind: tuple(kinds.get(kind, ())) for kind in _BY_FIELD}, nowhere=_WHOLE in kinds)


def save_differences(
    tx: Transaction, remote: str, endpoint: str, differences: Mapping[str, SchemaDifference], seen_at: str
) -> None:
    """Let ``differences`` be all that is known of the deployment at ``endpoint``."""
    tx.run(_FORGET, (remote, endpoint))
    rows = [(model, field, kind) for model, found in differences.items() for field, kind in _findings(found)]
    named = [
        {"model": m, "field": f, "kind": k, "remote": remote, "endpoint": endpoint, "seen_at": seen_at} for m, f, k in rows
    ]
    tx.many(_ADD, [_ADD.ordered(row) for row in named])


def _findings(found: SchemaDifference) -> list[tuple[str, str]]:
    listed = [(field, kind) for kind in _BY_FIELD for field in getattr(found, kind)]
    return [*listed, ("", _WHOLE)] if found.nowhere else listed


_o = OUTBOX.c
_MODELS = sa.select(sa.func.json_each(sa.bindparam("models")).table_valued("value").c.value)
_TOLD = Statement(
    sa.select(_o.model)
    .where(_o.remote == sa.bindparam("remote"), _o.model.in_(_MODELS), _o.code == NOT_DEPLOYED, SENDABLE)
    .group_by(_o.model)
    .having(sa.func.max(_o.next_attempt_at) > sa.bindparam("now"), sa.func.count() == sa.func.count(_o.next_attempt_at))
)
_COUNTED = Statement(
    sa.select(_o.model, sa.func.count())
    .where(_o.remote == sa.bindparam("remote"), _o.model.in_(_MODELS), SENDABLE)
    .group_by(_o.model)
    .order_by(_o.model)
)
_AGAIN = Statement(
    OUTBOX.update()
    .where(
        _o.remote == sa.bindparam("remote_"),
        _o.model.in_(_MODELS),
        sa.or_(_o.code == NOT_DEPLOYED, _o.code == FIELD_NOT_DEPLOYED),
    )
    .values(next_attempt_at=None)
)
_KEPT_FIELDS = Statement(
    sa.select(_o.model, _o.fields, sa.func.count())
    .where(_o.remote == sa.bindparam("remote"), _o.code == FIELD_NOT_DEPLOYED, SENDABLE)
    .group_by(_o.model, _o.fields)
    .order_by(_o.model, _o.fields)
)


def recently_unsupported(tx: Transaction, remote: str, models: Iterable[str], now: str) -> set[str]:
    """Those of ``models`` that the deployment was found to lack, asking again being too early."""
    wanted = {"remote": remote, "models": json.dumps(list(models)), "now": now}
    return {row[0] for row in tx.all(_TOLD, wanted)}


def count_waiting(tx: Transaction, remote: str, models: Iterable[str]) -> dict[str, int]:
    """How many changes wait for each of ``models``; those with none are absent."""
    found = tx.all(_COUNTED, {"remote": remote, "models": json.dumps(list(models))})
    return {str(model): int(n) for model, n in found}


def ask_again(tx: Transaction, remote: str, models: Iterable[str]) -> None:
    """Let what waits for the deployment to have ``models``, or fields of them, be due now."""
    tx.run(_AGAIN, {"remote_": remote, "models": json.dumps(list(models))})


def kept_fields(tx: Transaction, remote: str) -> dict[str, tuple[int, dict[str, int]]]:
    """By model: how many updates wait for the deployment to have their fields, and how many of them set each field."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for model, fields, n in tx.all(_KEPT_FIELDS, {"remote": remote}):
        many, by_field = found.setdefault(model, (0, {}))
        for name in names(fields):
            by_field[name] = by_field.get(name, 0) + n
        found[model] = (many + n, dict(sorted(by_field.items())))
    return found


def known_unsupported(tx: Transaction, name: str, models: Mapping[str, Model]) -> set[str]:
    """The models of a remote that its deployment was found to lack lately, and those that make no sense without them."""
    legacy = [model.name for model in models.values() if model.legacy]
    return _with_children(models, recently_unsupported(tx, name, legacy, clock.stored_now())) if legacy else set()


def _with_children(models: Mapping[str, Model], lacked: set[str]) -> set[str]:
    found = set(lacked)
    for model in models.values():  # parents first
        if model.legacy and any(field.required and field.ref in found for field in model.references):
            found.add(model.name)
    return found


class UnsupportedModels:
    """The models one push leaves alone. ``only``: the models it was asked for by name; of these it asks the remote anew."""

    def __init__(self, database: Database, remote: Remote, only: Sequence[str] | None) -> None:
        self._database = database
        self._remote = remote
        self._only = only
        self._models: set[str] = set()
        if only is None:
            self._models = database.read(lambda tx: known_unsupported(tx, remote.name, remote.models))

    def learn(self, pairs: Sequence[tuple[Change, Receipt]]) -> None:
        """Take note of what the remote said about the models of these changes."""
        said = {change.model.name for change, receipt in pairs if receipt.code == NOT_DEPLOYED}
        if said:
            self._models = _with_children(self._remote.models, self._models | said)

    def sendable(self) -> Sequence[str] | None:
        """The models whose changes may be sent; None for all."""
        if not self._models:
            return self._only
        return [name for name in self._only or self._remote.models if name not in self._models]

    def report(self, report: RemoteReport) -> None:
        """Say in ``report`` what stays here, in one note."""
        found = self._database.read(lambda tx: count_waiting(tx, self._remote.name, self._models)) if self._models else {}
        report.unsupported = sum(found.values())
        if found:
            many = ", ".join(f"{model} ({n:,})" for model, n in found.items())
            report.notes.append(f"this deployment of {self._remote.name} lacks models whose changes stay here: {many}")
