"""The models as this deployment has them: what was remembered of it, and what its refusals and its schema tell."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from syncer.adapters.plexus import introspection
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.http.graphql import Envelope
from syncer.remote import DESCRIBED_ANEW, NOT_DEPLOYED, Change, Receipt, ReceiptKind, SchemaDifference
from syncer.schema.model import Model

Query = Callable[[str, Mapping[str, Any]], Envelope]

_LACKING = "this deployment has no {model}; the record stays in the local file"
_LACKING_S = 86_400.0
_MISFIT = "this deployment takes less of {model} than was to be sent; it is made anew without that"
_LOG = logging.getLogger(__name__)


class DeployedModels:
    """Shared by all connections of one remote. ``models`` changes in place; ``nowhere`` are the models it lacks."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = dict(MODELS)
        self.nowhere: set[str] = set()
        self.differences: dict[str, SchemaDifference] = {}
        self._probed: set[str] = set()
        self._lock = threading.RLock()

    def adapt(self, differences: Mapping[str, SchemaDifference]) -> None:
        """Let ``differences`` be all that is known."""
        with self._lock:
            self.differences = {name: found for name, found in differences.items() if name in MODELS}
            self.models.update({name: self._as_deployed(name) for name in MODELS})
            self.nowhere = {name for name, found in self.differences.items() if found.nowhere}

    def _as_deployed(self, name: str) -> Model:
        return introspection.adapted(MODELS[name], self.differences.get(name, SchemaDifference()))

    def probe(self, query: Query, models: Iterable[str]) -> None:
        """Compare ``models`` with the deployed schema, whatever is known of them. Raises: RemoteError."""
        wanted = [name for name in MODELS if name in set(models)]
        with self._lock:
            for start in range(0, len(wanted), introspection.MODELS_A_QUESTION):
                asked = tuple(wanted[start : start + introspection.MODELS_A_QUESTION])
                read = query(introspection.question(asked), {})
                if read.data is None or read.whole is not None:
                    why = read.whole.message if read.whole else next((e.message for e in read.by_alias.values()), None)
                    raise RemoteRefused("Plexus would not tell its schema", why=why)
                kept = {name: found for name, found in self.differences.items() if name not in asked}
                self.adapt({**kept, **introspection.differences(asked, read.data)})
                self._probed.update(asked)

    def learns(self, query: Query, message: str) -> bool:
        """Whether a refusal in these words leads to knowing more of the deployment than before.

        The models it names are looked at in the schema, each once; where that is not told, a field may be named. Raises:
        Unreachable.
        """
        names = introspection.named(message)
        with self._lock:
            before = dict(self.differences)
            if names - self._probed:
                try:
                    self.probe(query, names - self._probed)
                except Unreachable:
                    raise
                except RemoteError as exc:
                    _LOG.info("plexus: %s", exc.sentence)
                    self._probed |= names
            field = introspection.undefined(message)
            if self.differences == before and field is not None:
                self._add_absent(*field)
            if self.differences == before:
                return False
        _LOG.info("plexus: this deployment differs in %s", ", ".join(sorted(names)))
        return True

    def _add_absent(self, model: str, field: str) -> None:
        if field in MODELS[model].key:
            return
        found = self.differences.get(model, SchemaDifference())
        if field not in found.absent:
            absent = tuple(sorted({*found.absent, field}))
            self.adapt({**self.differences, model: SchemaDifference(found.unknown, absent, found.unsent, found.demanded)})

    def kept(self, change: Change) -> Receipt | None:
        """The receipt of a serialized change that this deployment is known not to take as it is; None when it may go."""
        name = change.model.name
        if name in self.nowhere:
            reason = _LACKING.format(model=name)
            return Receipt(change.seq, ReceiptKind.LATER, code=NOT_DEPLOYED, reason=reason, due_s=_LACKING_S)
        if self.differences and self.misfits(name, json.loads(change.body or "{}").get("input", ())):
            return Receipt(change.seq, ReceiptKind.LATER, code=DESCRIBED_ANEW, reason=_MISFIT.format(model=name))
        return None

    def misfits(self, name: str, fields: Sequence[str]) -> bool:
        """True for a serialized body that names a field which the deployment is known not to take."""
        found = self.differences.get(name)
        return found is not None and not {*found.absent, *found.unsent}.isdisjoint(fields)
