"""Keys made on this machine: record ids, change keys, owner names."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from uuid import UUID

_LOCAL = "local-"
_bits: Callable[[], bytes] = partial(os.urandom, 16)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let ids and keys repeat from run to run inside the block: for samples and tests, never for real records."""
    global _bits
    random = Random(seed)
    before, _bits = _bits, lambda: random.getrandbits(128).to_bytes(16, "big")
    try:
        yield
    finally:
        _bits = before


def new_id() -> str:
    """A fresh random record id (UUID4 text, 36 characters), good on every remote that takes client ids."""
    text = new_key()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_minted(key: str) -> bool:
    """True for a key of the kind :func:`new_id` makes, which two people never make alike."""
    try:
        return str(UUID(key, version=4)) == key
    except ValueError:
        return False


def new_key() -> str:
    """A fresh idempotency key (32 hex characters; remotes allow 8 to 64)."""
    made = bytearray(_bits())  # a UUID4, without the object: two of them are a twentieth of what a write costs
    made[6] = made[6] & 0x0F | 0x40
    made[8] = made[8] & 0x3F | 0x80
    return made.hex()


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
