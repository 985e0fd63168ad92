"""Named places where a process can be made to die, fail or stand still: how tests hit the moments that crashes hit.

Armed only by the environment: ``SYNCER_FAILPOINT=name``, ``name:nth`` (the nth time it is reached, 1 unless given) or
``name:nth:how``. ``how`` is ``kill`` (SIGKILL to this process, the default), ``raise`` (:class:`Fired`) or ``stop``
(SIGSTOP: it stands still until it gets SIGCONT). Not armed, reaching one costs a call that compares a constant.

It ships, because only the program that people run is worth killing: a build with other code at these places would be another
program. Whoever can set the environment of a process can kill it anyway.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from syncer.errors import SettingError

NAMES: Mapping[str, str] = {
    "row-stored": "in a write: the row is stored, its change is not yet",
    "before-commit": "at the end of any write transaction, before its commit",
    "after-commit": "behind the commit of any write transaction",
    "lease-acquired": "the lease of a remote is committed, nothing else has happened",
    "resolved": "the owners of upserts were asked for, the answers are not stored",
    "claimed": "a batch is committed as being sent, with its keys and body hashes; no byte has left",
    "request-sent": "the remote has begun to answer a request, its answer is not read",
    "answered": "the answer to a batch is read, nothing of it is stored",
    "renamed": "a local id has become the remote's, before the commit",
    "settled": "the answers to a batch are stored, before the commit",
    "page-read": "a page is read, nothing of it is stored",
    "page-stored": "a page and its mark are stored, before the commit",
    "sweep-checked": "rows were found to be gone on the remote, none is removed",
    "backup-taken": "the copy before an upgrade is complete, the upgrade has not begun",
    "restore-copied": "the copy of a backup is complete, nothing of the old file has been moved",
    "restore-set-aside": "the old file, or what is beside it, has its new name; the copy has no name yet",
    "restored": "the copy has the database's name, its private folder is still there",
    "migrating": "one migration of several is done, before the commit",
}
"""Every name, and the moment it names."""

_SIGNALS = {"kill": "SIGKILL", "stop": "SIGSTOP"}
_ARMED = os.environ.get("SYNCER_FAILPOINT", "")


class Fired(Exception):
    """What an armed ``raise`` raises: no error of ours, so that nothing but a bug's own boundary catches it."""


@dataclass(frozen=True, slots=True)
class Armed:
    """One failpoint that waits to be reached for the ``nth`` time."""

    name: str
    nth: int = 1
    how: str = "kill"


def read(text: str) -> Armed:
    """The failpoint that ``text`` of the environment arms. Raises: SettingError: one never reached proves nothing."""
    name, _, rest = text.partition(":")
    nth, _, how = rest.partition(":")
    if name not in NAMES:
        raise SettingError(f"there is no failpoint {name!r}", hint=f"SYNCER_FAILPOINT takes {', '.join(NAMES)}")
    if (nth and (not nth.isdecimal() or int(nth) < 1)) or how not in ("", "kill", "raise", "stop"):
        raise SettingError(f"SYNCER_FAILPOINT={text!r} is not name:nth:how", hint="for example claimed:2:kill")
    if how == "stop" and not hasattr(signal, _SIGNALS[how]):
        raise SettingError("this system cannot let a process stand still", hint="SYNCER_FAILPOINT takes kill or raise")
    return Armed(name, int(nth or 1), how or "kill")


def reached(name: str) -> None:
    """Die, fail or stand still here, if the environment says so of ``name``. Raises: Fired, SettingError."""
    if _ARMED:
        _arrived(name)


_times = count(1)  # next() of it is one step for all threads


def _arrived(name: str) -> None:
    armed = read(_ARMED)
    if name != armed.name or next(_times) != armed.nth:
        return
    if armed.how == "raise":
        raise Fired(f"the failpoint {name} was reached {armed.nth} times")
    os.kill(os.getpid(), getattr(signal, _SIGNALS[armed.how], signal.SIGTERM))  # without SIGKILL any signal kills at once
