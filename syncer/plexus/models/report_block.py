"""Report blocks: the parts a report consists of, one after the other.

Source: docs/remotes/plexus.md#reports
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput
from syncer.plexus.convert import as_json, when
from syncer.plexus.models.base_model import BaseModel, Record
from syncer.schema.values import dumps

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_log = logging.getLogger(__name__)
_CHANGEABLE = ("reportId", "name", "position", "type", "output", "log", "attachedFiles", "dataSetId")
# DynamoDB keeps 400 KB an item; the record around these texts takes its share.
_LARGE_OUTPUT = 350_000
_LARGE_BLOCK = 380_000


@dataclass
class ReportBlock(BaseModel):
    """A part of a report. ``output`` is a dict, though the remote keeps it as JSON text; ``position`` orders the blocks.

    ``attachedFiles`` is one path, or the JSON text of a list when there are several: the remote keeps a list. ``id`` is set
    by whatever loads or creates a block; one made by hand is of no record and cannot be updated.
    """

    reportId: str
    position: int
    type: str
    output: dict[str, Any] | None = field(default_factory=dict)
    name: str | None = None
    log: str | None = None
    attachedFiles: str | None = None
    dataSetId: str | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None
    id: str = field(init=False, default="")

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> ReportBlock:
        """A block of a record as GraphQL answers it, or as ``ws.plexus`` does.

        ``output`` that is no JSON becomes ``{"error": ..., "raw_output": text}``, a missing ``position`` -1. Raises:
        InvalidInput (a ValueError) when ``id``, ``reportId`` or ``type`` is not in ``data``.
        """
        missing = [name for name in ("id", "reportId", "type") if name not in data]
        if missing:
            raise InvalidInput(f"this is no ReportBlock: it has no {' and no '.join(missing)}")
        made = cls(data["reportId"], -1, data["type"])
        made.id = data["id"]
        made._client = client
        made._refresh(data)
        return made

    @classmethod
    def create(
        cls,
        client: Session,
        reportId: str,
        position: int,
        type: str,
        output: str | None = None,
        name: str | None = None,
        log: str | None = None,
        attachedFiles: str | None = None,
        dataSetId: str | None = None,
    ) -> ReportBlock:
        """A new block, stored when this returns.

        ``output``: JSON text, or what is to be made into it. ``attachedFiles``: a path, a list of paths, or its JSON text.
        A block that is likely too large for the remote is stored, with a warning in the log. Raises: InvalidInput (a
        ValueError).
        """
        fields = {
            "reportId": reportId,
            "position": position,
            "type": type,
            "output": output,
            "name": name,
            "log": log,
            "attachedFiles": attachedFiles,
            "dataSetId": dataSetId,
        }
        return cls._created(client, _stored(fields))

    @classmethod
    def list_by_report_id(
        cls, report_id: str, client: Session, limit: int = 100, max_items: int | None = None
    ) -> list[ReportBlock]:
        """The blocks of a report in the local file, by position; ``max_items`` at most.

        ``limit`` was the size of a page; the list is complete whatever it is. Raises: InvalidInput for a negative number.
        """
        return cls._all(client, {"reportId": report_id}, "position", max_items)

    def update(self, client: Session | None = None, **kwargs: Any) -> ReportBlock:
        """This block with these fields changed, here and in the local file; None removes a value.

        Only ``reportId``, ``name``, ``position``, ``type``, ``output``, ``log``, ``attachedFiles`` and ``dataSetId`` can be
        changed; others are left out, with a warning in the log. ``client``: to use from now on instead of the block's own.
        Raises: InvalidInput (a ValueError) when there is no client, no id, or a value the remote would not take;
        RecordNotFound.
        """
        if not self.id:
            raise InvalidInput("this ReportBlock has no id", hint="load it, or make it with ReportBlock.create")
        if client is not None:
            self._client = client
        others = sorted(kwargs.keys() - set(_CHANGEABLE))
        if others:
            _log.warning("plexus ReportBlock %s: %s cannot be changed and is left out", self.id, " and ".join(others))
        changes = {name: value for name, value in kwargs.items() if name in _CHANGEABLE}
        record = self._changed(_stored(changes))
        if changes:
            self._refresh(record)
        return self

    def _refresh(self, record: Record) -> None:
        position = record.get("position")
        self.reportId, self.type = record["reportId"], record["type"]
        self.position = -1 if position is None else position
        self.output = _output(record.get("output"))
        self.attachedFiles = _one_text(record.get("attachedFiles"))
        self.name, self.log, self.dataSetId = record.get("name"), record.get("log"), record.get("dataSetId")
        created, updated = record.get("createdAt"), record.get("updatedAt")
        self.createdAt = None if created is None else when(created)
        self.updatedAt = None if updated is None else when(updated)


def _output(text: Any) -> dict[str, Any] | None:
    """The decoded output of a block."""
    if text is None or text == "":
        return {}
    if not isinstance(text, str):
        return dict(text) if isinstance(text, Mapping) else {"raw_output": text}
    try:
        decoded: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as exc:
        return {"error": f"the output is no JSON: {exc}", "raw_output": text}
    return decoded


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a block as the model has them: output as text, files as a list."""
    ready = dict(fields)
    output = ready.get("output")
    if output is not None and not isinstance(output, str):
        try:
            ready["output"] = dumps(as_json(output))
        except ValueError as exc:
            raise InvalidInput("ReportBlock.output cannot be made into JSON", why=str(exc)) from exc
    if ready.get("attachedFiles") is not None:
        ready["attachedFiles"] = _files(ready["attachedFiles"])
    _warn_when_large(ready)
    return ready


def _warn_when_large(fields: Mapping[str, Any]) -> None:
    output = len(fields.get("output") or "")
    whole = sum(len(value) for value in fields.values() if isinstance(value, str))
    if output > _LARGE_OUTPUT:
        _log.warning("the output of a plexus ReportBlock has %d characters; the remote may refuse it", output)
    elif whole > _LARGE_BLOCK:
        _log.warning("a plexus ReportBlock has %d characters; the remote may refuse it", whole)


def _files(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        listed = json.loads(given)
    except (ValueError, RecursionError):
        listed = None
    return listed if isinstance(listed, list) else [given]


def _one_text(files: Any) -> str | None:
    if isinstance(files, list):
        return (str(files[0]) if len(files) == 1 else dumps(files)) if files else None
    return files if isinstance(files, str) else None
