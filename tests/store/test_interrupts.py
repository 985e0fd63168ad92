"""Ctrl-C behind each call into C, one after the other, where more than one step has to be done: nothing hangs or is lost."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace
from syncer.errors import DatabaseError, NestedTransaction
from syncer.store.file import connections
from tests.factory import account
from tests.files import rows
from tests.rigs.interrupts import anything, free, interrupted

LIMIT_S = 20
MOST = 2_000


def everywhere(work: Callable[[], object], after: Callable[[int], object]) -> int:
    """``work`` interrupted behind its first call into C, its second, and so on, ``after`` each; how many there were."""
    for nth in range(1, MOST):
        try:
            with interrupted(anything, nth) as hits:
                work()
        except KeyboardInterrupt:
            pass
        done = len(hits) < nth
        after(nth)
        if done:
            return nth
    raise AssertionError("there is no end to it")


@pytest.mark.parametrize(
    "use",
    [
        Workspace.close,
        Workspace.status,
        lambda ws: ws.query("SELECT count(*) FROM outbox"),
        lambda ws: ws.plexus.find("Account", {"key": "w0001"}),
    ],
    ids=["close", "status", "query", "find"],
)
def test_an_interrupt_in_a_call_leaves_a_workspace_that_works(
    ws: Workspace, path: Path, use: Callable[[Workspace], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it breaks off, the next call works, no connection is left that nobody knows of, and a child may write."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # an interrupt inside of somebody's clean-up is forgotten

    def after(nth: int) -> None:
        account(ws, key=f"w{nth:04}")
        assert len(ws.plexus.find("Account", {"key": f"w{nth:04}"})) == 1
        assert free(ws.database.turn)

    count = everywhere(lambda: use(ws), after)
    ws.close()
    assert not [one for one in connections.open_now() if one.path == path]
    assert rows(path, "SELECT count(*) FROM outbox") == [(count,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_an_interrupt_in_the_steps_of_a_fork_costs_nobody_a_write(
    ws: Workspace, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parent and child both write on, or the child is refused; what was accepted is there, and the interrupt arrives."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # Python itself forgets what is raised in its own hooks
    accepted: list[str] = []
    arrived: list[int] = []

    def fork() -> None:
        key = f"child{len(accepted)}"
        pid = os.fork()
        if pid == 0:
            sys.setprofile(None)
            faulthandler.dump_traceback_later(30, exit=True, file=sys.__stderr__)  # tells where it hangs, instead of hanging
            os._exit(_written(ws, key))
        children[pid] = key

    def after(nth: int) -> None:
        while children:
            pid, status = os.wait()
            key = children.pop(pid, "")
            assert os.waitstatus_to_exitcode(status) in (0, 3)
            if os.waitstatus_to_exitcode(status) == 0 and key:
                accepted.append(key)
        account(ws, key=f"parent{nth}")
        accepted.append(f"parent{nth}")
        assert ws.plexus.find("Account", {"key": f"parent{nth}"})
        assert free(ws.database.turn)
        assert free(connections.opening)

    children: dict[int, str] = {}
    account(ws, key="before")
    was = signal.signal(signal.SIGINT, lambda *_: arrived.append(1))
    try:
        assert everywhere(fork, after) > 20
        for late in [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]:
            late.join()
    finally:
        signal.signal(signal.SIGINT, was)
    assert arrived, "the interrupt was forgotten"
    ws.close()
    there = {key for (key,) in rows(path, "SELECT key FROM plexus_account WHERE key <> 'before'")}
    assert set(accepted) <= there
    assert len(there) == rows(path, "SELECT count(*) FROM outbox")[0][0] - 1
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def _written(ws: Workspace, key: str) -> int:
    """In the child: 0 when the write was accepted, 3 when the file was refused."""
    signal.alarm(LIMIT_S)
    try:
        for _ in range(3):  # the interrupt of the parent's fork may still be on its way
            try:
                account(ws, key=key)
            except KeyboardInterrupt:
                continue
            return 0
    except DatabaseError:
        return 3
    except BaseException:  # noqa: BLE001 - told to the parent
        return 4
    return 5


def test_a_signal_handler_that_writes_inside_a_write_is_told_so(ws: Workspace, path: Path) -> None:
    """It runs in the middle of the write of its own thread: a clear error, and the write that it broke into is stored."""
    seen: list[BaseException] = []

    def handler(*_: Any) -> None:
        try:
            account(ws, key="handler")
        except BaseException as exc:  # noqa: BLE001 - looked at below
            seen.append(exc)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with ws.plexus.transaction() as unit:
            unit.create("Account", {"name": "Lab", "key": "own"})
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [type(exc) for exc in seen] == [NestedTransaction], seen
    assert "inside a transaction" in str(seen[0])
    assert rows(path, "SELECT key FROM plexus_account") == [("own",)]
