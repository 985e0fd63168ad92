"""Looking for the run of a create in doubt: only a whole list without it is a reason to send the create again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.abeja import APIClient
from syncer.adapters.abeja.adapter import GRACE_S
from syncer.sandbox import Sandbox
from tests.abeja.rig import MARKER, create, made, outbox, settings_of
from tests.rigs.hostile import Answered, Asked, Hostile, forwarded


@pytest.fixture
def between(sandbox: Sandbox, still: clock.Virtual) -> Iterator[Hostile]:
    """A server in front of the sandbox, which passes on what a test does not alter. Its clock is the true one."""
    with Hostile(lambda asked: forwarded(sandbox, asked)) as server:
        yield server


@pytest.fixture
def ws(between: Hostile, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose ABEJA is behind it."""
    for name, value in settings_of(sandbox).items():
        monkeypatch.setenv(name, value.replace(sandbox.origin, between.origin))
    with Workspace.open(path) as workspace:
        yield workspace


def said(document: Any, status: int = 200) -> Answered:
    """An answer of JSON."""
    return Answered(json.dumps(document).encode(), status)


def listing(between: Hostile, sandbox: Sandbox, lists: Callable[[Asked], Answered]) -> None:
    """Creates arrive, but are answered with 500; lists are answered so."""

    def answer(asked: Asked) -> Answered:
        if asked.method == "GET":
            return lists(asked)
        forwarded(sandbox, asked)
        return said({}, 500)

    between.answer = answer


def pushed_past_grace(ws: Workspace) -> None:
    """Push, and again when the create could go out again."""
    for _ in range(3):
        ws.push("abeja", wait_s=0)
        clock.sleep(2 * GRACE_S)


def posts(between: Hostile) -> int:
    """How many creates were sent."""
    return sum(asked.method == "POST" for asked in between.asked)


@pytest.mark.parametrize(
    "document", [{}, {"message": "ok"}, {"events": []}, {"error": "later", "next_page_token": None}], ids=str
)
def test_an_answer_without_a_list_is_no_empty_list(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, document: dict[str, Any]
) -> None:
    """Success in another shape says nothing about the run: the create is not sent again, and found once listed [I3 I6]."""
    create(APIClient(workspace=ws))
    listing(between, sandbox, lambda _: said(document))
    pushed_past_grace(ws)
    assert (posts(between), [state for state, _ in outbox(path)]) == (1, ["ambiguous"])
    between.answer = lambda asked: forwarded(sandbox, asked)
    clock.sleep(3600)
    assert ws.push("abeja").exit_code == 0
    assert (posts(between), list(made(sandbox).values())) == (1, [1])


def test_a_list_that_leads_back_is_not_seen_to_its_end(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path
) -> None:
    """Pages in a circle may hide the run: a person decides, no second run is made [I3 I6]."""
    other = sandbox.abeja.put()
    create(APIClient(workspace=ws))
    listing(
        between,
        sandbox,
        lambda asked: said({"entries": [other], "next_page_token": "one" if "=two" in asked.path else "two"}),
    )
    pushed_past_grace(ws)
    assert (posts(between), outbox(path)) == (1, [("rejected", "unknown-outcome")])


def test_a_token_that_comes_back_at_once_is_the_end(ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path) -> None:
    """Some lists name their last page again as the next: that is the whole list, and after the grace period it counts."""
    create(APIClient(workspace=ws))
    other = sandbox.abeja.put()
    between.answer = lambda asked: (
        said({"entries": [other], "next_page_token": "end"}) if asked.method == "GET" else said({}, 500)
    )
    pushed_past_grace(ws)
    assert posts(between) > 1


def test_the_clock_of_a_gateway_does_not_end_the_search(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path
) -> None:
    """What answers is months ahead of what stamps the runs: ours, behind a later one, is not taken for too old [I3]."""
    sandbox.abeja.page_size = 1
    create(APIClient(workspace=ws))
    listing(between, sandbox, lambda _: said({}, 500))
    ws.push("abeja", wait_s=0)
    clock.sleep(1)
    sandbox.abeja.put()
    listing(between, sandbox, lambda asked: forwarded(sandbox, asked))
    pushed_past_grace(ws)
    assert (posts(between), outbox(path), list(made(sandbox).values())) == (1, [], [1])


def test_a_list_in_the_other_order_is_read_to_its_end(ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path) -> None:
    """Oldest first, against the documents: a first page of old runs is no reason to stop [I3]."""
    for n in range(4):
        sandbox.abeja.put(created_at=clock.after(-90_000 + n))
    create(APIClient(workspace=ws))

    def oldest_first(_: Asked) -> Answered:
        runs = sorted(sandbox.abeja.rows("run"), key=lambda run: run["created_at"])
        start = 0 if "token" not in _.path else 2 if _.path.endswith("=2") else 4
        return said({"entries": runs[start : start + 2], "next_page_token": str(start + 2) if start < 4 else None})

    listing(between, sandbox, oldest_first)
    pushed_past_grace(ws)
    assert (posts(between), outbox(path), list(made(sandbox).values())) == (1, [], [1])


@pytest.mark.parametrize("listed", [True, False])
def test_a_run_of_another_create_is_not_taken_for_ours(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, listed: bool
) -> None:
    """Answers that were mixed up on the way: what is told is the run of somebody else's marker; ours is found [I3 I18]."""
    other = sandbox.abeja.put(user_env_vars={MARKER: "f" * 32})
    local = create(APIClient(workspace=ws))

    def mixed(asked: Asked) -> Answered:
        answered = forwarded(sandbox, asked)
        if asked.method == "POST":
            return said(other)
        return answered if listed else said({}, 500)

    between.answer = mixed
    ws.push("abeja", wait_s=0)
    between.answer = lambda asked: forwarded(sandbox, asked)
    clock.sleep(2 * GRACE_S)
    assert ws.push("abeja").exit_code == 0
    (run,) = (run for run in sandbox.abeja.rows("run") if run["run_id"] != other["run_id"])
    found = ws.abeja.get("Run", local)
    assert found is not None
    assert (found["run_id"], posts(between)) == (run["run_id"], 1)


def test_a_list_without_environments_tells_nothing(ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path) -> None:
    """Where the marker would be is left out of the list: a person decides, no second run is made [I3 I6]."""
    create(APIClient(workspace=ws))

    def bare(asked: Asked) -> Answered:
        document = json.loads(forwarded(sandbox, asked).body)
        for run in document["entries"]:
            del run["user_env_vars"]
        return said(document)

    listing(between, sandbox, bare)
    pushed_past_grace(ws)
    assert (posts(between), outbox(path)) == (1, [("rejected", "unknown-outcome")])
