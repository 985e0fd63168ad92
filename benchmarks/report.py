"""What a benchmark found: one row of the table in docs/performance.md, and the tables people and programs read."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.timing import Samples, median, ratios


@dataclass(frozen=True)
class Finding:
    """One figure. ``number`` is the row in docs/performance.md, empty for figures that only explain another one.

    ``floor`` and ``stretch`` bound ``ratio`` from below, or from above with ``at_most``. ``spread`` is the smallest and the
    largest ratio of any round.
    """

    number: str
    work: str
    ours: float
    raw: float | None
    unit: str
    ratio: float
    floor: float | None = None
    stretch: float | None = None
    at_most: bool = False
    spread: tuple[float, float] | None = None
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the floor holds; None where there is none."""
        if self.floor is None:
            return None
        shown = round(self.ratio, 2)  # the floors have two digits, more would be noise
        return shown <= self.floor if self.at_most else shown >= self.floor

    @property
    def verdict(self) -> str:
        """``met``, ``not met``, or nothing for a figure without a floor."""
        return {True: "met", False: "NOT MET", None: ""}[self.met]


def rate(
    number: str,
    work: str,
    samples: Samples,
    ours: str,
    raw: str,
    count: int,
    floor: float | None = None,
    stretch: float | None = None,
    unit: str = "/s",
) -> Finding:
    """Our pace over the raw pace, both ``count`` things a sample; the median of the rounds."""
    found = ratios(samples[raw], samples[ours])
    return Finding(
        number,
        work,
        count / median(samples[ours]),
        count / median(samples[raw]),
        unit,
        median(found),
        floor,
        stretch,
        spread=(min(found), max(found)),
    )


def slowness(
    number: str, work: str, samples: Samples, ours: str, raw: str, floor: float | None = None, stretch: float | None = None
) -> Finding:
    """Our time over the raw time, in milliseconds; smaller is better."""
    found = ratios(samples[ours], samples[raw])
    mine, theirs = median(samples[ours]) * 1000, median(samples[raw]) * 1000
    return Finding(number, work, mine, theirs, "ms", median(found), floor, stretch, True, (min(found), max(found)))


def table(findings: Iterable[Finding]) -> str:
    """The findings for people."""
    head = ("row", "work", "ours", "raw", "unit", "ratio", "rounds", "floor", "stretch", "")
    lines = [head, *(_cells(f) for f in findings)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    left = (0, 1, 4, 9)
    return "\n".join(
        "  ".join(
            c.ljust(w) if n in left else c.rjust(w) for n, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def as_json(findings: Sequence[Finding], load_before: float) -> str:
    """The findings for programs, with the machine they were made on."""
    rows = [asdict(f) | {"met": f.met} for f in findings]
    return json.dumps({"machine": machine() | {"load_before": load_before}, "findings": rows}, indent=1)


def machine() -> dict[str, str | int | float]:
    """What figures depend on."""
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "platform": sys.platform,
        "processors": os.cpu_count() or 0,
        "load": os.getloadavg()[0],
    }


def _cells(f: Finding) -> tuple[str, ...]:
    sign = "x" if f.at_most and f.unit == "ms" else ""
    spread = f"{f.spread[0]:.2f}-{f.spread[1]:.2f}" if f.spread else ""
    bounds = [("" if b is None else f"{b:g}{sign}") for b in (f.floor, f.stretch)]
    raw = "" if f.raw is None else _figure(f.raw)
    ratio = f"{f.ratio:.2f}{sign}" if abs(f.ratio) < 1000 else f"{f.ratio:.0f}"
    return (f.number, f.work, _figure(f.ours), raw, f.unit, ratio, spread, *bounds, f.verdict)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
