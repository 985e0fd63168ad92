"""PFIDs: the ids of Prefactor, which clients may mint.

32 characters of Crockford's base 32 in lower case: 10 of time (milliseconds since 1970), 6 of partition (the account: all
ids of one account carry the same), 16 of chance (80 bits). As text they sort by time of creation.

Source: docs/remotes/prefactor.md#ids
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from syncer import clock

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

_SHAPE = re.compile(rf"[0-7][{ALPHABET}]{{31}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME, _PARTITION, _CHANCE = (10, 48), (6, 30), (16, 80)  # characters, bits


class Pfid(NamedTuple):
    """What a PFID says. ``milliseconds`` are UTC, since 1970."""

    milliseconds: int
    partition: int
    chance: int

    def __str__(self) -> str:
        return _text(self.milliseconds, *_TIME) + _text(self.partition, *_PARTITION) + _text(self.chance, *_CHANCE)


class _Last:
    """The newest PFID of this process, so that those of one millisecond still sort in the order they were made."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget. A forked child must: it would count on from the same number as its parent."""
        self.lock = threading.Lock()
        self.milliseconds, self.chance = -1, 0

    def next_chance(self, milliseconds: int, randbits: Callable[[int], int]) -> int:
        """Fresh for a new millisecond, else one more than the last."""
        bits = _CHANCE[1]
        with self.lock:
            fresh = milliseconds != self.milliseconds
            self.chance = randbits(bits) if fresh else (self.chance + 1) % 2**bits
            self.milliseconds = milliseconds
            return self.chance


_last = _Last()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_last.reset)


def mint(partition: int, *, randbits: Callable[[int], int] = secrets.randbits) -> str:
    """A fresh PFID of now, in ``partition``: take that of any id of the account, see :func:`partition_of`.

    Those minted by one process in one millisecond and partition sort in the order of minting.

    Raises: ValueError when the partition is out of range.
    """
    milliseconds = (clock.now() - _EPOCH) // _MILLISECOND
    return str(Pfid(milliseconds, partition, _last.next_chance(milliseconds, randbits)))


def parse(text: str) -> Pfid:
    """The three numbers of a PFID; ``str()`` of them is the PFID again. Raises: ValueError."""
    if not valid(text):
        raise ValueError(f"not a PFID: {text!r}")
    return Pfid(_number(text[:10]), _number(text[10:16]), _number(text[16:]))


def partition_of(text: str) -> int | None:
    """The partition of a PFID; None for any other text, for which no PFID can be made."""
    return parse(text).partition if valid(text) else None


def valid(text: str) -> bool:
    """True for text in the form of a PFID."""
    return _SHAPE.fullmatch(text) is not None


def _text(number: int, width: int, bits: int) -> str:
    if not 0 <= number < 2**bits:
        raise ValueError(f"{number} does not fit into {bits} bits of a PFID")
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(width)))


def _number(text: str) -> int:
    number = 0
    for character in text:
        number = number << 5 | ALPHABET.index(character)
    return number
