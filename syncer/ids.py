"""Keys minted on this machine: record ids, change keys, owner names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from uuid import UUID, uuid4

_LOCAL = "local-"
_uuid: Callable[[], UUID] = uuid4


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let ids and keys repeat from run to run inside the block: for samples and tests, never for real records."""
    global _uuid
    random = Random(seed)
    before, _uuid = _uuid, lambda: UUID(int=random.getrandbits(128), version=4)
    try:
        yield
    finally:
        _uuid = before


def new_id() -> str:
    """A fresh random record id (UUID4 text, 36 characters), good on every remote that takes client ids."""
    return str(_uuid())


def is_minted(key: str) -> bool:
    """True for a key of the kind :func:`new_id` makes, which two people never make alike."""
    try:
        return str(UUID(key, version=4)) == key
    except ValueError:
        return False


def new_key() -> str:
    """A fresh idempotency key (32 hex characters; remotes allow 8 to 64)."""
    return _uuid().hex


def new_local_id() -> str:
    """A stand-in for an id that only the remote can make: ``local-`` and 32 hex characters."""
    return f"{_LOCAL}{new_key()}"


def is_local(key: str) -> bool:
    """True for a stand-in of :func:`new_local_id`, which no remote knows."""
    return key.startswith(_LOCAL)


def owner() -> str:
    """Who holds a lease: ``host:pid``. The same host can tell whether the process still lives."""
    return f"{socket.gethostname()}:{os.getpid()}"


def owner_is_dead(name: str) -> bool:
    """True only when ``name`` is of this host and its process is surely gone."""
    host, _, pid = name.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit() or os.name == "nt":  # where a signal 0 is Ctrl-C, not a question
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OSError):
        return False
    return False
