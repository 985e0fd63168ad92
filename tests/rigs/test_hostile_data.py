"""Everything from a remote is data: no answer, however made, breaks a sync, the file, or the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.abeja import APIClient
from syncer.config import Settings
from syncer.errors import InvalidInput
from syncer.sandbox.server import Sandbox
from syncer.store import migrate
from tests.factory import result, scoring
from tests.files import rows
from tests.rigs.hostile import Answered, Asked, Hostile, forwarded, rewritten
from tests.rigs.settings import scale, seed, tally

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DEEP = 10_000
RAW: dict[str, bytes] = {
    "deep list": b"[" * DEEP + b"]" * DEEP,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep text": json.dumps("[" * DEEP + "]" * DEEP).encode(),
    "400 digits": b"9" * 400,
    "5000 digits": b"9" * 5000,
    "64 bits": b"9223372036854775808",
    "too large a float": b"1e999",
    "NaN": b"NaN",
    "minus Infinity": b"-Infinity",
    "lone surrogate": b'"half \\ud800 a pair"',
    "surrogate key": b'{"\\udfff": 1}',
    "duplicate keys": b'{"a": 1, "a": 2, "id": "x", "id": "y"}',
    "null character": b'"a\\u0000b"',
    "bad utf-8": b'"\xff\xfe\xc0\x80"',
    "ten megabytes": b'"' + b"x" * 10_000_000 + b'"',
    "steering": b'"\\u001b[2J\\u001b]52;c;AAAA\\u0007\\u009b31m\\u202eevil\\r\\n"',
    "sql": b'"x\'; DROP TABLE outbox; --"',
    "number": b"42",
    "true": b"true",
    "null": b"null",
    "empty": b'""',
    "list": b'[1, {"a": null}]',
    "path": b'"../../../../etc/passwd"',
    "no json": b"<html>",
    "time": b'"9999999-99-99T99:99:99Z"',
}
FIELDS = {
    "plexus": (
        *("id", "accountId", "description", "text", "metadata", "isEvaluation", "updatedAt", "createdAt"),
        *("items", "nextToken", "data", "page", "value", "order"),
    ),
    "prefactor": (
        *("id", "agent_id", "status", "summaries", "details", "payload", "span_counts", "inserted_at", "started_at"),
        *("pagination", "next_page_offset"),
    ),
    "abeja": (
        *("run_id", "status", "created_at", "retry_count", "user_env_vars", "input_data", "entries"),
        *("next_page_token", "models", "events", "next_token"),
    ),
}


@contextmanager
def between(path: Path, sandbox: Sandbox) -> Iterator[tuple[Workspace, Hostile]]:
    """A workspace whose every word with the sandbox goes through somebody hostile."""
    with Hostile(lambda asked: forwarded(sandbox, asked)) as hostile, clock.using(clock.Virtual(START)):
        settings = Settings(str(path), environ={**hostile.settings(sandbox), "PLEXUS_ACCOUNT_KEY": "lab"})
        with Workspace(settings) as ws:
            yield ws, hostile


def _some_records(ws: Workspace, sandbox: Sandbox) -> None:
    ids = scoring(ws)
    ws.plexus.create("ScoreResult", result(ids, metadata={"a": 1}))
    instance = {
        "agent_id": sandbox.prefactor.agent_id,
        "status": "pending",
        "agent_version": {"name": "v1", "external_identifier": "v1"},
        "agent_schema_version": {"external_identifier": "s1"},
    }
    ws.prefactor.create("AgentInstance", {"id": "local-1", **instance})
    place = (sandbox.settings["ABEJA_ORGANIZATION_ID"], sandbox.settings["ABEJA_DEPLOYMENT_IDS"].split(",")[0])
    APIClient(workspace=ws).create_run(*place, "ver-1234567890123456", environment={"MODE": "night"})
    assert ws.sync().exit_code == 0


@pytest.mark.parametrize("remote", list(FIELDS))
def test_no_value_breaks_a_pull_or_a_push(remote: str, path: Path, sandbox: Sandbox) -> None:
    """Any value in the place of any field: a report, a sound file, and all is well once the remote is [I19]."""
    random = Random(f"{seed} {remote}")
    every = [(name, kind) for name in FIELDS[remote] for kind in RAW]
    chosen = random.sample(every, min(len(every), 15 * scale))
    with between(path, sandbox) as (ws, hostile):
        _some_records(ws, sandbox)
        for number, (name, kind) in enumerate(chosen):
            where = f"seed {seed}: {remote} {name} = {kind}"
            hostile.answer = _with(sandbox, name, RAW[kind])
            if remote == "plexus" and number % 4 == 0:  # the answer to a write, too
                ws.plexus.update("Item", ws.plexus.find("Item")[0]["id"], {"text": str(number)})
            report = ws.sync(remote, models=_MODELS[remote], full=True, wait_s=0)
            assert report.exit_code in (0, 3, 4), where
            assert ws.status().consistent, where
            _all_shown(ws, remote)
        hostile.answer = lambda asked: forwarded(sandbox, asked)
        assert migrate.integrity(path) == []
        _settled(ws, remote)
    tally("hostile", remote=remote, inputs=len(chosen), lost=0)


_MODELS = {"plexus": ["Item", "ScoreResult"], "prefactor": None, "abeja": None}


def _with(sandbox: Sandbox, name: str, raw: bytes) -> Callable[[Asked], Answered]:
    return lambda asked: rewritten(forwarded(sandbox, asked), name, raw)


def _all_shown(ws: Workspace, remote: str) -> None:
    """Whatever came is readable by everything that reads."""
    records = getattr(ws, remote)
    for model in records.models:
        records.find(model)


def _settled(ws: Workspace, remote: str) -> None:
    """After the storm: what needs a person gets one, then both sides are equal."""
    for _ in range(12):
        for (seq,) in rows(ws.path, "SELECT seq FROM outbox WHERE state IN ('rejected', 'conflict')"):
            ws.retry(seq)
        ws.sync(remote, full=True, allow_mass_delete=True)
        if not ws.status().pending:
            break
        clock.sleep(600)
    verified = ws.verify(remote, repair=True, allow_mass_delete=True)
    assert ws.verify(remote).equal, verified.as_dict()
    assert ws.status().pending == 0


WHOLE: dict[str, bytes] = {
    **{
        kind: RAW[kind] for kind in ("deep list", "deep object", "5000 digits", "ten megabytes", "lone surrogate", "no json")
    },
    "nothing": b"",
    "null": b"null",
    "byte order mark": b'\xef\xbb\xbf{"data": {}}',
    "utf-16": '{"data": {}}'.encode("utf-16"),
    "list of lists": b"[[[]]]",
    "odd errors": b'{"data": null, "errors": {"message": [1]}}',
    "odd entries": b'{"data": {"m0": 3}, "errors": [null, 3, {"path": 5, "message": {"a": 1}}, {"path": [[]]}]}',
    "error of errors": b'{"status": "error", "code": 7, "message": ["x"], "errors": 3, "error": {"code": []}}',
}


@pytest.mark.parametrize("status", [200, 422, 500, 404, 201, 400, 409, 429][: 2 + 2 * scale])
def test_no_answer_breaks_a_sync(status: int, path: Path, sandbox: Sandbox) -> None:
    """Answers that are no answer, under any status, to every remote: a report, and nothing is lost or doubled [I3]."""
    with between(path, sandbox) as (ws, hostile):
        scoring(ws)
        for kind, body in WHOLE.items():
            hostile.answer = lambda _, body=body: Answered(body, status)
            report = ws.sync(wait_s=0)
            assert report.exit_code in (0, 3, 4), (kind, status)
            clock.sleep(7200)
        hostile.answer = lambda asked: forwarded(sandbox, asked)
        _settled(ws, "plexus")
        assert {len(sandbox.effects(model, "create")) for model in ("Account", "Scorecard", "Score", "Item")} == {1}
    tally("answers", status=status, inputs=3 * len(WHOLE), lost=0, doubled=0)


WAITS = (
    "inf",
    "nan",
    "-1e9",
    "1e308",
    "9" * 400,
    "0x10",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "soon",
)


def test_no_wait_is_for_ever(path: Path, sandbox: Sandbox) -> None:
    """Whatever Retry-After and Date say, the change waits a month at most and is then sent, once [I9 I10]."""
    with between(path, sandbox) as (ws, hostile):
        scoring(ws)
        body = b'{"status": "error", "code": "x", "retry_after_ms": ' + (b"9" * 400) + b"}"
        for wait in WAITS:
            headers = {"Retry-After": wait, "Date": wait, "Content-Type": "application/json"}
            for status in (429, 503, 200):
                hostile.answer = lambda _, status=status, headers=headers: Answered(body, status, headers)
                assert ws.push("plexus", wait_s=0).exit_code == 4, wait
                clock.sleep(31 * 86_400)
                assert rows(path, "SELECT count(*) FROM outbox WHERE next_attempt_at > ?", clock.stored_now()) == [(0,)], (
                    wait
                )
        hostile.answer = lambda asked: forwarded(sandbox, asked)
        assert ws.push("plexus").exit_code == 0
        assert len(sandbox.effects("Account", "create")) == 1


def test_a_deep_or_huge_value_of_ours_is_refused_or_kept_whole(ws: Workspace) -> None:
    """Callers' values too: ten megabytes are stored and read back the same, too deep ones refused [I19]."""
    ids = scoring(ws)
    large = {"text": "x" * 10_000_000}
    made = ws.plexus.create("ScoreResult", result(ids, metadata=large))["id"]
    assert ws.plexus.get("ScoreResult", made)["metadata"] == large  # type: ignore[index]
    deep: Any = []
    for _ in range(DEEP):
        deep = [deep]
    with pytest.raises(InvalidInput):
        ws.plexus.create("ScoreResult", result(ids, metadata=deep))
    with pytest.raises(InvalidInput):
        ws.plexus.create("ScoreResult", result(ids, value="half \ud800"))
    assert ws.status().consistent
