"""Create, get and list runs.

There is no idempotency: every accepted POST makes a run. Decided here: any non-empty
version id is taken, and named 0.0.1, 0.0.2 ... in the order of first use; environment names must be legal variable names
and values text; a list ends with a null token; an empty token is no token; a token remembers its direction, and another
``scan_forward`` beside it is refused.

Source: docs/remotes/abeja.md#creating-a-run
Source: docs/remotes/abeja.md#runs
Source: docs/remotes/abeja.md#paging
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from syncer import clock
from syncer.sandbox.abeja.book import REMOTE, RUN, Book
from syncer.sandbox.abeja.problems import not_found, wrong_field
from syncer.sandbox.abeja.tokens import Token, given
from syncer.sandbox.documents import Document, Part, canonical
from syncer.sandbox.storage import Effect

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_USUAL_RETRIES, _MOST_RETRIES = 5, 9
_FLAGS = {"True": True, "true": True, "False": False, "false": False}


class Runs:
    """The operations on runs. Raises: Problem, with nothing applied."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def create(self, organization_id: str, deployment_id: str, body: Mapping[str, Any], request: str) -> Document:
        """A new run, every time."""
        run = _asked(body)
        now = clock.stored_now()
        with self._book.storage.transaction():
            run |= {
                "run_id": self._book.new_run_id(),
                "organization_id": organization_id,
                "deployment_id": deployment_id,
                "model_version": self._book.version_name(deployment_id, run["model_version_id"]),
                "status": "SUBMITTED",
                "created_at": now,
                "modified_at": now,
            }
            self._book.runs.put(run)
            self._book.storage.note(Effect(REMOTE, RUN, run["run_id"], "create", request, canonical(run["user_env_vars"])))
        return self._book.shown(run, created=True)

    def get(self, deployment_id: str, run_id: str) -> Document:
        """One run."""
        return self._book.shown(self._book.present(self.existing(deployment_id, run_id)))

    def existing(self, deployment_id: str, run_id: str) -> Document:
        """The stored run. Raises: Problem."""
        run = self._book.runs.get(run_id)
        if run is None or run["deployment_id"] != deployment_id:
            raise not_found("run")
        return run

    def list(self, deployment_id: str, query: Mapping[str, str]) -> Document:
        """A page of the deployment's runs, newest first unless ``scan_forward``."""
        asked = query.get("scan_forward")
        if asked is not None and asked not in _FLAGS:
            raise wrong_field("scan_forward", "must be true or false")
        forward = _FLAGS.get(asked or "", False)
        name, part = f"runs {deployment_id}", Part("deployment_id = ?", (deployment_id,))
        text = query.get("next_page_token")
        if text:
            token = given("next_page_token", text, name)
            if asked is not None and token.settings != [forward]:
                raise wrong_field("scan_forward", "differs from that of next_page_token")
            (forward,) = token.settings
            part = part.also(f"(created_at, seq) {'>' if forward else '<'} (?, ?)", *token.place)
        way = "ASC" if forward else "DESC"
        size = self._book.page_size
        found = self._book.runs.places(part, f"created_at {way}, seq {way}", size + 1)
        page = [self._book.shown(self._book.present(run)) for _, run in found[:size]]
        if len(found) <= size:
            return {"entries": page, "next_page_token": None}
        number, last = found[size - 1]
        return {"entries": page, "next_page_token": Token(name, [forward], [last["created_at"], number]).text}


def _asked(body: Mapping[str, Any]) -> Document:
    """The part of a run that its creator chooses, under the names of the answer. Raises: Problem."""
    version = body.get("version_id")
    if not isinstance(version, str) or not version:
        raise wrong_field("version_id", "is required")
    models = _texts(body, "models")
    if models and (models.keys() != {"alias"} or not models["alias"]):
        raise wrong_field("models", "must be an object with an alias")
    environment = _texts(body, "environment")
    for name in environment or {}:
        if not _VARIABLE.fullmatch(name):
            raise wrong_field("environment", f"{name!r} is no name of an environment variable")
    retries = _integer(body, "retry_count")
    if retries is not None and not 0 <= retries <= _MOST_RETRIES:
        raise wrong_field("retry_count", f"must be 0 to {_MOST_RETRIES}")
    return {
        "model_version_id": version,
        "models": models or {},
        "input_data": _texts(body, "input_data") or {},
        "output_template": _texts(body, "output_template"),
        "retry_count": _USUAL_RETRIES if retries is None else retries,
        "distribution": _integer(body, "distribution"),
        "user_env_vars": environment or {},
    }


def _texts(body: Mapping[str, Any], name: str) -> dict[str, str] | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise wrong_field(name, "must be an object of strings")
    return value


def _integer(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is not None and type(value) is not int:
        raise wrong_field(name, "must be an integer")
    return value
