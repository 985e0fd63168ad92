"""A score's code and guidelines between the local file and files that people edit: ``pull`` and ``push``.

Results are dicts, as in :mod:`syncer.plexus.scores.versions`.

Source: docs/remotes/plexus.md#score
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from syncer.errors import InvalidInput
from syncer.plexus.convert import absent
from syncer.plexus.scores import files, versions
from syncer.plexus.scores.versions import Champion, Result, failure

if TYPE_CHECKING:
    from syncer.plexus.session import Session

Places = Callable[[], tuple[Path, Path]]
"""Where code and guidelines lie; may raise what lookups and names raise."""

_LOG = logging.getLogger(__name__)


def pull(client: Session | None, score_id: str, places: Places) -> Result:
    """Write the champion's code and guidelines to their files, over what they hold.

    ``{"success", "code_file_path", "guidelines_file_path", "version_id", "message"}``.
    """
    if client is None:
        return failure("No API client available", "load the score with a client to pull its code")
    return versions.reported("API_ERROR", lambda: _pull(client, score_id, places))


def _pull(client: Session, score_id: str, places: Places) -> Result:
    champion = versions.champion(client.records, score_id)
    if champion.id is None:
        return failure("NO_CHAMPION_VERSION", f"Score {score_id} has no champion version")
    if champion.record is None:
        return failure("VERSION_NOT_FOUND", absent("ScoreVersion", "id", champion.id).sentence)
    if not champion.code:
        return failure("NO_CODE", f"ScoreVersion {champion.id} has no code")
    code, guidelines = places()
    _warn_of_others(client, score_id)
    files.write({code: champion.code, guidelines: champion.guidelines or f"{files.NO_GUIDELINES}\n"})
    return {
        "success": True,
        "code_file_path": str(code),
        "guidelines_file_path": str(guidelines),
        "version_id": champion.id,
        "message": f"the code is in {code}, the guidelines are in {guidelines}",
    }


def push(client: Session | None, score_id: str, places: Places, note: str) -> Result:
    """Make a version of what the files hold, unless there is one.

    As :func:`versions.create`, and ``changes_detected``: ``{"code": bool, "guidelines": bool}``, whether each differs from
    the champion's. A missing file stands for what the champion has.
    """
    return versions.reported("API_ERROR", lambda: _push(client, score_id, places, note))


def _push(client: Session | None, score_id: str, places: Places, note: str) -> Result:
    try:
        code_path, guidelines_path = places()
    except InvalidInput as exc:
        if client is None:  # who has no client cannot look the folder up
            return failure("NO_CLIENT", exc.sentence)
        raise
    code, guidelines = files.read(code_path), files.read(guidelines_path)
    if code is None and guidelines is None:
        return failure("NO_FILES_FOUND", f"there is neither {code_path} nor {guidelines_path}")
    if client is None:
        return failure("NO_CLIENT", "load the score with a client to push its code")
    _warn_of_others(client, score_id)
    return _made(client, score_id, code, guidelines, note)


def _made(client: Session, score_id: str, code: str | None, guidelines: str | None, note: str) -> Result:
    champion = versions.champion(client.records, score_id).known()
    if code is None and not champion.code:
        return failure("NO_CODE", "there is no code file, and no champion whose code could be kept")
    wanted = _kept(code, champion.code, files.bare_code)
    told = None if guidelines is None else _kept(guidelines, champion.guidelines or "", files.bare_guidelines)
    result = versions.create(client, score_id, wanted, note, told)
    if result["success"]:
        result["changes_detected"] = _changes(champion, wanted, told)
    return result


def _kept(text: str | None, champions: str, bare: Callable[[str], str]) -> str:
    """What a file says; the champion's very text when they differ in nothing but lines that are not pushed."""
    if text is None or bare(text) == bare(champions):
        return champions.strip()
    return bare(text)


def _changes(champion: Champion, code: str, guidelines: str | None) -> dict[str, bool]:
    before = (champion.guidelines or "").strip()
    return {"code": code != champion.code.strip(), "guidelines": guidelines is not None and guidelines != before}


def _warn_of_others(client: Session, score_id: str) -> None:
    """Two scores of a scorecard whose names make the same file take each other's code."""
    score = client.records.get("Score", score_id)
    if score is None:
        return
    own = _file_name(score["name"])
    for other in client.records.find("Score", {"scorecardId": score["scorecardId"]}):
        if other["id"] != score["id"] and own is not None and _file_name(other["name"]) == own:
            _LOG.warning("plexus Score %s and Score %s have the same local files; rename one", score["id"], other["id"])


def _file_name(name: str) -> str | None:
    try:
        return files.cleaned(name).casefold()  # many file systems take no notice of case
    except InvalidInput:
        return None
