"""Scores: the questions of a scorecard, each with the code that answers it.

Source: docs/remotes/plexus.md#score
"""

from __future__ import annotations

import logging
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput
from syncer.plexus.convert import absent
from syncer.plexus.listing import filters, pages
from syncer.plexus.listing.pages import Order
from syncer.plexus.models.base_model import BaseModel
from syncer.plexus.scores import classes, exchange, files, versions, yaml
from syncer.plexus.scores.versions import Champion

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_LOG = logging.getLogger(__name__)


@dataclass
class Score(BaseModel):
    """A score. ``key`` may be None for one that was made elsewhere.

    Its code (YAML) and guidelines (Markdown) belong to its versions; the one that is run is the *champion*. New versions
    are stored here and sent by the next sync; making one the champion is a step of its own.
    """

    id: str
    name: str
    key: str
    externalId: str
    type: str
    order: int
    sectionId: str
    accuracy: float | None = None
    version: str | None = None
    aiProvider: str | None = None
    aiModel: str | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def get_by_name(cls, name: str, scorecard_id: str, client: Session) -> Score | None:
        """The score of this scorecard with this name, None when the local file has none. Of several the oldest."""
        return cls._only(client, {"name": name, "scorecardId": scorecard_id})

    @classmethod
    def get_by_key(cls, key: str, scorecard_id: str, client: Session) -> Score | None:
        """The score of this scorecard with this key, None when the local file has none. Of several the oldest."""
        return cls._only(client, {"key": key, "scorecardId": scorecard_id}) if key else None

    @classmethod
    def get_by_external_id(cls, external_id: str, scorecard_id: str, client: Session) -> Score | None:
        """The score of this scorecard with this external id, None when the local file has none. Of several the oldest."""
        return cls._only(client, {"externalId": external_id, "scorecardId": scorecard_id})

    @classmethod
    def get_by_scorecard_and_external_id(cls, scorecard_id: str, external_id: str, client: Session) -> dict[str, Any] | None:
        """``{"id", "name"}`` of what :meth:`get_by_external_id` finds, None when it finds nothing."""
        found = cls.get_by_external_id(external_id, scorecard_id, client)
        return None if found is None else {"id": found.id, "name": found.name}

    @classmethod
    def list_by_section_id(
        cls, section_id: str, client: Session, next_token: str | None = None, limit: int = 100
    ) -> dict[str, Any]:
        """A page of a section's scores, by ``order``.

        ``{"items": [Score, ...], "nextToken": str | None}``: up to ``limit`` of them, and what to give as ``next_token`` for
        more. Raises: InvalidInput (a ValueError) for a token that is not of this list, and a limit below 1.
        """
        asked = {"sectionId": {"eq": section_id}}
        model = cls.model()
        found, more = pages.page(
            client, model, filters.parsed(model, asked), Order("order"), limit, next_token or None, asked
        )
        return {"items": [cls._loaded(record, client) for record in found], "nextToken": more}

    def get_code(self) -> dict[str, Any] | None:
        """The champion's code as a dict; None without champion or code, and when the code is no YAML of a dict.

        Raises: RecordNotFound when the local file lacks score or champion, InvalidInput without a client (ValueErrors).
        """
        text = self.get_champion_code_yaml()
        if text is None:
            return None
        try:
            code = yaml.parsed(text)
        except InvalidInput as exc:
            _LOG.warning("plexus Score %s: %s", self.id, exc.what)  # why would quote the code
            return None
        return code if isinstance(code, dict) else None

    def get_champion_code_yaml(self) -> str | None:
        """The champion's code as it is, YAML text; None without champion or code. Raises: as :meth:`get_code`."""
        return self._champion().known().code or None

    def get_champion_configuration_yaml(self) -> str | None:
        """The same as :meth:`get_champion_code_yaml`, by its older name."""
        return self.get_champion_code_yaml()

    def get_valid_classes(self) -> list[dict[str, Any]]:
        """The entries with a name under ``classes`` of the champion's code, with all they say; empty when there are none.

        Raises: as :meth:`get_code`.
        """
        return classes.listed(self.get_code())

    def get_valid_classes_count(self) -> int:
        """How many different classes the nodes of the champion's ``graph`` can give; 2 when they name none.

        Raises: as :meth:`get_code`.
        """
        return classes.count(self.get_code())

    def get_local_code_path(self, scorecard_name: str | None = None) -> Path:
        """``<SCORECARD_CACHE_DIR>/<scorecard>/<score>.yaml``; its folders are made. The environment is read at every call.

        ``scorecard_name``: looked up in the local file when it is not given. Characters that file names cannot hold become
        ``-``. Raises: InvalidInput for names that no file can have, for a folder that cannot be made or leads elsewhere, and
        without a client to look the name up; RecordNotFound (all ValueErrors). What lies in the way is not removed.
        """
        return files.prepared(files.code_path(self._card(scorecard_name), self.name))

    def get_local_configuration_path(self, scorecard_name: str | None = None) -> Path:
        """The same as :meth:`get_local_code_path`, by its older name."""
        return self.get_local_code_path(scorecard_name)

    def get_local_guidelines_path(self, scorecard_name: str | None = None) -> Path:
        """``<SCORECARD_CACHE_DIR>/<scorecard>/guidelines/<score>.md``; otherwise as :meth:`get_local_code_path`."""
        return files.prepared(files.guidelines_path(self._card(scorecard_name), self.name))

    def pull_code_and_guidelines(self, scorecard_name: str | None = None) -> dict[str, Any]:
        """Write the champion's code and guidelines to their local files, over what these hold; nothing is asked of Plexus.

        ``{"success": True, "code_file_path", "guidelines_file_path", "version_id", "message"}``, the paths as text. Or
        ``{"success": False, "error", "message"}`` with the error "No API client available", API_ERROR (the score is not in
        the local file, or that cannot be read), NO_CHAMPION_VERSION, VERSION_NOT_FOUND (the champion is not in the local
        file), NO_CODE or UNEXPECTED_ERROR (names or files that cannot be used). Files are replaced whole, or stay as they
        were. Without guidelines their file says so in one line.
        """
        return exchange.pull(self._client, self.id, lambda: self._places(scorecard_name))

    def pull_configuration(self, scorecard_name: str | None = None) -> dict[str, Any]:
        """As :meth:`pull_code_and_guidelines`; ``{"success": True, "file_path", "version_id"}``, or its failure."""
        result = self.pull_code_and_guidelines(scorecard_name)
        if not result["success"]:
            return result
        return {"success": True, "file_path": result["code_file_path"], "version_id": result["version_id"]}

    def push_code_and_guidelines(self, scorecard_name: str | None = None, note: str | None = None) -> dict[str, Any]:
        """Make a new version of what the local files hold, unless there is one that says the same.

        As :meth:`create_version_from_code`, with ``changes_detected``: ``{"code": bool, "guidelines": bool}``, whether each
        differs from the champion's. A missing file stands for what the champion has. Lines that pulling put above code and
        guidelines are left out. Further errors: NO_FILES_FOUND, NO_CODE (no code file, and no champion).
        """
        note = note or "Updated via Score.push_code_and_guidelines()"
        return exchange.push(self._client, self.id, lambda: self._places(scorecard_name), note)

    def push_configuration(self, scorecard_name: str | None = None, note: str | None = None) -> dict[str, Any]:
        """The same as :meth:`push_code_and_guidelines`, by its older name."""
        return self.push_code_and_guidelines(scorecard_name, note)

    def create_version_from_code(
        self, code_content: str, note: str | None = None, guidelines: str | None = None
    ) -> dict[str, Any]:
        """Store a new version of this code (YAML text), unless the champion or the newest version here says the same.

        ``guidelines``: None for the champion's, empty for none. White space at the ends of both does not count.

        ``{"success": True, "version_id", "champion_updated": False, "message", "skipped"}``; when ``skipped`` the id is
        that of the version that says the same. Or ``{"success": False, "error", "message"}`` with the error NO_CLIENT,
        INVALID_YAML (empty, too long, or not fit to be read), API_ERROR (score or champion is not in the local file),
        VERSION_CREATION_FAILED (the local file cannot be written) or UNEXPECTED_ERROR.
        """
        if self._client is None:
            return versions.failure("NO_CLIENT", "load the score with a client to make a version of it")
        note = note or "Updated via Score.create_version_from_code()"
        return versions.create(self._client, self.id, code_content, note, guidelines)

    def create_version_from_yaml(self, yaml_content: str, note: str | None = None) -> dict[str, Any]:
        """As :meth:`create_version_from_code`, with the champion's guidelines."""
        return self.create_version_from_code(yaml_content, note or "Updated via Score.create_version_from_yaml()")

    def _champion(self) -> Champion:
        return versions.champion(self._own_client.records, self.id)

    def _places(self, scorecard_name: str | None) -> tuple[Path, Path]:
        card = self._card(scorecard_name)
        return files.code_path(card, self.name), files.guidelines_path(card, self.name)

    def _card(self, scorecard_name: str | None) -> str:
        """The name of the scorecard, given or looked up through the section."""
        from syncer.plexus.models.scorecard import Scorecard

        if scorecard_name:
            return scorecard_name
        client = self._own_client
        section = client.records.get("ScorecardSection", self.sectionId)
        if section is None:
            raise absent("ScorecardSection", "id", self.sectionId)
        return Scorecard.get_by_id(section["scorecardId"], client).name
