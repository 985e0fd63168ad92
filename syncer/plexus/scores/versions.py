"""Versions of a score: the champion, and new ones that wait to become it.

Results are dicts as the original gives them: ``{"success": True, ...}``, or ``{"success": False, "error": CODE, "message":
text}``.

Source: docs/remotes/plexus.md#score
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from syncer import clock
from syncer.errors import DatabaseError, InvalidInput, RecordNotFound, SyncerError
from syncer.plexus.convert import absent
from syncer.plexus.scores import yaml

if TYPE_CHECKING:
    from syncer.plexus.session import Session
    from syncer.records.api import UnitOfWork

Record = Mapping[str, Any]
Result = dict[str, Any]

_TICK = timedelta(milliseconds=1)
_MOMENT = timedelta(seconds=1)
_LOG = logging.getLogger(__name__)


class Source(Protocol):
    """What records are read from: the local file, or a transaction on it."""

    def get(self, model: str, key: str) -> dict[str, Any] | None:
        """A record by its id."""
        ...


@dataclass(frozen=True, slots=True)
class Champion:
    """The version a score is run with. ``id`` is None when there is none, ``record`` when the local file lacks it."""

    id: str | None
    record: Record | None

    @property
    def code(self) -> str:
        """Its YAML, as it is."""
        return (self.record or {}).get("configuration") or ""

    @property
    def guidelines(self) -> str | None:
        """Its guidelines, as they are."""
        return None if self.record is None else self.record.get("guidelines")

    def known(self) -> Champion:
        """The same. Raises: RecordNotFound when there is one that the local file lacks."""
        if self.id is not None and self.record is None:
            raise absent("ScoreVersion", "id", self.id)
        return self


def champion(source: Source, score_id: str) -> Champion:
    """The champion of a score, as the local file knows it. Raises: RecordNotFound when it does not know the score."""
    score = source.get("Score", score_id)
    if score is None:
        raise absent("Score", "id", score_id)
    id = score["championVersionId"]
    return Champion(id, None if id is None else source.get("ScoreVersion", id))


def failure(error: str, message: str) -> Result:
    """The result of what could not be done."""
    return {"success": False, "error": error, "message": message}


def reported(database: str, work: Callable[[], Result]) -> Result:
    """What ``work`` gives, its errors as results: records that are missing here, names and files that cannot be used.

    ``database``: the error to name when the local file is at fault.
    """
    try:
        return work()
    except RecordNotFound as exc:
        return failure("API_ERROR", exc.sentence)
    except DatabaseError as exc:
        return failure(database, exc.sentence)
    except SyncerError as exc:
        return failure("UNEXPECTED_ERROR", exc.sentence + (f" ({exc.hint})" if exc.hint else ""))


def create(client: Session, score_id: str, code: str, note: str, guidelines: Any) -> Result:
    """A new version of a score, unless its champion or its newest version says the same, white space at the ends aside.

    ``guidelines``: None for those of the champion, empty for none.
    """
    try:
        wanted = _checked(code)
    except InvalidInput as exc:
        return failure("INVALID_YAML", exc.sentence)

    def work() -> Result:
        if not isinstance(guidelines, str | None):
            raise InvalidInput(f"guidelines cannot be {guidelines!r}", hint="give text, or None for the champion's")
        with client.records.transaction() as unit:  # of two callers with the same code, the second finds the first's
            return _create(unit, score_id, wanted, note, guidelines)

    return reported("VERSION_CREATION_FAILED", work)


def _checked(code: Any) -> str:
    if not isinstance(code, str) or not code.strip():
        raise InvalidInput("there is no code", why="a version is YAML text")
    yaml.parsed(code)
    return code.strip()


def _create(unit: UnitOfWork, score_id: str, code: str, note: str, guidelines: str | None) -> Result:
    now = champion(unit, score_id).known()
    wanted = now.guidelines if guidelines is None else guidelines.strip()
    newest = next(iter(unit.find("ScoreVersion", {"scoreId": score_id}, order_by=["-createdAt", "-id"], limit=1)), None)
    for version in (now.record, newest):
        if version is not None and _says(version, code, wanted, now.guidelines):
            _LOG.info("plexus Score %s: version %s says the same, none is made", score_id, version["id"])
            return _done(version["id"], "the code and guidelines are those of this version already", skipped=True)
    fields = {
        "scoreId": score_id,
        "configuration": code,
        "note": note,
        "isFeatured": "false",
        "guidelines": wanted,
        "parentVersionId": now.id,
        **_behind(newest),
    }
    made = unit.create("ScoreVersion", {name: value for name, value in fields.items() if value is not None})
    _LOG.info("plexus Score %s: new version %s", score_id, made["id"])
    return _done(made["id"], "a new version is stored here and will be sent", skipped=False)


def _says(version: Record, code: str, guidelines: str | None, inherited: str | None) -> bool:
    own = version["guidelines"] if version["guidelines"] is not None else inherited
    return bool(version["configuration"].strip() == code) and (own or "").strip() == (guidelines or "").strip()


def _behind(newest: Record | None) -> dict[str, Any]:
    """Times that make a version the newest although another was made in the same moment; else the clock's."""
    if newest is None or newest["createdAt"] is None:
        return {}
    now, last = clock.now(), clock.parsed(newest["createdAt"])
    return dict.fromkeys(("createdAt", "updatedAt"), last + _TICK) if now <= last < now + _MOMENT else {}


def _done(version_id: str, message: str, *, skipped: bool) -> Result:
    return {
        "success": True,
        "version_id": version_id,
        "champion_updated": False,  # making a version the champion is a step of its own
        "message": message,
        "skipped": skipped,
    }
