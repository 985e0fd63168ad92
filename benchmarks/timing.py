"""Timing shared by all subjects: cases run in turn, round after round, so that a busy minute hits all of them alike."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Case = Callable[[], float]
"""Does one round of its work, preparation included, and returns the seconds of the part that counts."""

Samples = dict[str, list[float]]


class Watch:
    """Wall-clock and processor seconds of a ``with`` block; ``cpu_s`` counts every thread of this process."""

    wall_s = 0.0
    cpu_s = 0.0


@contextmanager
def watched() -> Iterator[Watch]:
    """Time the block, with the garbage of what came before collected and the collector left on, as users have it."""
    gc.collect()
    watch = Watch()
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        yield watch
    finally:
        watch.wall_s = time.perf_counter() - wall
        watch.cpu_s = time.process_time() - cpu


def interleaved(cases: Mapping[str, Case], rounds: int) -> Samples:
    """Seconds of every case in every round; the order turns by one from round to round."""
    names = list(cases)
    samples: Samples = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            say(f"  round {number + 1}/{rounds}: {name}")
            samples[name].append(cases[name]())
    say("")
    return samples


def median(values: list[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def ratios(numerators: list[float], denominators: list[float]) -> list[float]:
    """Round by round, so that a slow minute cancels out."""
    return [n / d for n, d in zip(numerators, denominators, strict=True)]


def say(text: str) -> None:
    """Progress on a terminal's stderr; an empty text wipes it."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
