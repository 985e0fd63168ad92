"""How the deployment at a remote's address differs from what is described: remembered between runs, one row a finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from syncer.port import Difference
from syncer.store.core import DEPLOYED
from syncer.store.database import Statement, Transaction

_d = DEPLOYED.c
_AT = (_d.remote == sa.bindparam("r"), _d.place == sa.bindparam("p"))
_KNOWN = Statement(sa.select(_d.model, _d.field, _d.kind, _d.seen_at).where(*_AT).order_by(_d.model, _d.kind, _d.field))
_FORGET = Statement(DEPLOYED.delete().where(*_AT))
_ADD = Statement(
    DEPLOYED.insert().values({n: sa.bindparam(n) for n in ("remote", "place", "model", "field", "kind", "seen_at")})
)
_BY_FIELD = ("unknown", "absent", "unsent", "demanded")
_WHOLE = "nowhere"


def known(tx: Transaction, remote: str, place: str) -> tuple[dict[str, Difference], str | None]:
    """What is remembered of the deployment at ``place``, by model, and when the oldest of it was seen."""
    found: dict[str, dict[str, list[str]]] = {}
    oldest: str | None = None
    for model, field, kind, seen_at in tx.all(_KNOWN, (remote, place)):
        found.setdefault(model, {}).setdefault(kind, []).append(field)
        oldest = seen_at if oldest is None else min(oldest, seen_at)
    return {model: _difference(kinds) for model, kinds in found.items()}, oldest


def _difference(kinds: Mapping[str, Iterable[str]]) -> Difference:
    return Difference(**{kind: tuple(kinds.get(kind, ())) for kind in _BY_FIELD}, nowhere=_WHOLE in kinds)


def remember(tx: Transaction, remote: str, place: str, differences: Mapping[str, Difference], seen_at: str) -> None:
    """Let ``differences`` be all that is known of the deployment at ``place``."""
    tx.run(_FORGET, (remote, place))
    rows = [(model, field, kind) for model, found in differences.items() for field, kind in _findings(found)]
    named = [{"model": m, "field": f, "kind": k, "remote": remote, "place": place, "seen_at": seen_at} for m, f, k in rows]
    tx.many(_ADD, [_ADD.ordered(row) for row in named])


def _findings(found: Difference) -> list[tuple[str, str]]:
    listed = [(field, kind) for kind in _BY_FIELD for field in getattr(found, kind)]
    return [*listed, ("", _WHOLE)] if found.nowhere else listed
