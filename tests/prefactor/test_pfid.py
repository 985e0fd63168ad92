"""PFIDs: minted here as Prefactor mints them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import clock
from syncer.adapters.prefactor import pfid
from syncer.adapters.prefactor.pfid import Pfid

VECTORS = [
    (0, 0, 0, "0" * 32),
    (1, 1, 0, "00000000010000010000000000000000"),
    (1234567890000, 123456789, 0, "013xrzp12g3nqk8n0000000000000000"),
    (1700000000000, 42, 0x0123456789ABCDEF0123, "01hf7yat0000001a04hmasw9nf6yy093"),
    (2**48 - 1, 2**30 - 1, 2**80 - 1, "7" + "z" * 31),
]
NUMBERS = st.builds(Pfid, st.integers(0, 2**48 - 1), st.integers(0, 2**30 - 1), st.integers(0, 2**80 - 1))


@pytest.mark.parametrize(("milliseconds", "partition", "chance", "text"), VECTORS)
def test_published_vectors(milliseconds: int, partition: int, chance: int, text: str) -> None:
    """Numbers and text agree with those the vendor publishes."""
    assert str(Pfid(milliseconds, partition, chance)) == text
    assert pfid.parse(text) == (milliseconds, partition, chance)
    assert pfid.partition_of(text) == partition


@given(NUMBERS)
def test_there_and_back(numbers: Pfid) -> None:
    """Every PFID tells the numbers it was made of."""
    assert pfid.valid(str(numbers))
    assert pfid.parse(str(numbers)) == numbers


@given(NUMBERS, NUMBERS)
def test_texts_sort_as_numbers(one: Pfid, other: Pfid) -> None:
    """The order of texts is that of time, then partition, then chance."""
    assert (str(one) < str(other)) == (one < other)


GOOD = VECTORS[3][3]


@pytest.mark.parametrize(
    "text",
    ["", GOOD.upper(), GOOD[:-1], GOOD + "0", "8" + GOOD[1:], GOOD[:-1] + "u", GOOD[:-1] + "é", GOOD + "\n", "agent-1"],
)
def test_what_is_no_pfid(text: str) -> None:
    """Upper case, other lengths, a first character above 7 and letters outside the alphabet are refused."""
    assert not pfid.valid(text)
    assert pfid.partition_of(text) is None
    with pytest.raises(ValueError, match="not a PFID"):
        pfid.parse(text)


@pytest.mark.parametrize(
    "numbers", [Pfid(-1, 0, 0), Pfid(2**48, 0, 0), Pfid(0, 2**30, 0), Pfid(0, -1, 0), Pfid(0, 0, 2**80)]
)
def test_numbers_out_of_range(numbers: Pfid) -> None:
    """A number that does not fit is refused, not cut."""
    with pytest.raises(ValueError, match="does not fit"):
        str(numbers)


def test_minting_takes_time_from_the_clock() -> None:
    """A minted PFID carries the present millisecond and the given partition."""
    with clock.using(clock.Virtual(datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC))):
        minted = pfid.parse(pfid.mint(123456789))
    assert (minted.milliseconds, minted.partition) == (1767323045678, 123456789)
    with pytest.raises(ValueError, match="30 bits"):
        pfid.mint(2**30)


def test_minting_in_order() -> None:
    """Within one millisecond the order of minting is the order of texts; the next one starts from chance again."""
    time = clock.Virtual(datetime(2026, 1, 2, tzinfo=UTC))
    with clock.using(time):
        same = [pfid.mint(7) for _ in range(500)]
        time.moment += timedelta(milliseconds=1)
        later = pfid.mint(7)
        time.moment -= timedelta(milliseconds=1)
        back = pfid.mint(7)
    assert same == sorted(set(same))
    assert later > same[-1]
    assert back not in same


def test_chance_wraps_at_its_end() -> None:
    """At the largest number the count goes on from zero, inside its 80 bits."""
    time = clock.Virtual(datetime(2030, 1, 1, tzinfo=UTC))
    with clock.using(time):
        first, second = (pfid.parse(pfid.mint(7, randbits=lambda bits: 2**bits - 1)) for _ in range(2))
    assert (first.chance, second.chance) == (2**80 - 1, 0)


def test_real_ids_are_all_different() -> None:
    """A burst of ids at real time has no id twice."""
    assert len({pfid.mint(1) for _ in range(5000)}) == 5000


FORKING = """
import os, sys
from datetime import UTC, datetime
from syncer import clock
from syncer.adapters.prefactor import pfid
with clock.using(clock.Virtual(datetime(2026, 5, 5, tzinfo=UTC))):
    pfid.mint(7)
    child = os.fork()
    if child:
        os.waitpid(child, 0)  # one after the other, so that their lines do not mix
    print(pfid.mint(7), flush=True)
"""


def test_a_forked_child_does_not_count_on() -> None:
    """Parent and child mint different ids in the same millisecond."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 2
