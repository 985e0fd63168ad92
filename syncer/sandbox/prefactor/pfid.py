"""PFIDs: 32 characters of time, account partition and chance.

Source: docs/remotes/prefactor.md#ids
"""

from __future__ import annotations

import re

from syncer import clock, ids

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PARTITION = 123_456_789
"""The account of the sandbox, as in every example of the reference."""

_SHAPE = re.compile(rf"[0-7][{ALPHABET}]{{31}}")
_RANDOM_BITS = 80


def is_pfid(text: str) -> bool:
    """True for text in the shape of a PFID."""
    return _SHAPE.fullmatch(text) is not None


def partition(pfid: str) -> int:
    """The account marker inside ``pfid``."""
    number = 0
    for character in pfid[10:16]:
        number = number * 32 + ALPHABET.index(character)
    return number


def composed(milliseconds: int, account: int, chance: int) -> str:
    """The PFID of three numbers."""
    return _base32(milliseconds, 10) + _base32(account, 6) + _base32(chance, 16)


def minted() -> str:
    """A fresh PFID of the sandbox's account."""
    chance = int(ids.new_key(), 16) % 2**_RANDOM_BITS
    return composed(int(clock.now().timestamp() * 1000), PARTITION, chance)


def _base32(number: int, width: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(width)))
