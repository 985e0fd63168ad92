"""Rows 9 to 12: pulling pages into the local file, from the bytes of the answers on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import record
from benchmarks.pages import CannedPlexus, Pages
from benchmarks.report import Finding, rate
from benchmarks.timing import Case, interleaved, say, watched
from syncer import Workspace
from syncer.engine.sync import Sync

_MEGABYTE = 1024


def run(rounds: int, quick: bool, *, count: int = 100_000, million: bool = False) -> list[Finding]:
    """All findings on pulls."""
    count = min(count, 10_000) if quick else count
    with TemporaryDirectory() as folder:
        found: list[Finding] = []
        for size, floor, stretch in ((1000, 1.0, 1.3), (100, 0.80, 1.3)):
            say(f"  making {count:,} records in pages of {size}")
            found += _paged(Pages.made(Path(folder) / f"{size}.pages", count, size), count, size, floor, stretch, rounds)
        found += _memory(Path(folder), 2 * count)
        if million:
            found.append(_million(Path(folder), 10 * count, next(f.ours for f in found)))
    return found


def _paged(pages: Pages, count: int, size: int, floor: float, stretch: float, rounds: int) -> list[Finding]:
    again: dict[str, list[float]] = {"ours": [], "raw": []}
    cases: dict[str, Case] = {
        "ours": partial(_twice, ours, pages, again["ours"]),
        "raw": partial(_twice, partial(raw, record.raw_file), pages, again["raw"]),
        "tables": partial(_once, partial(raw, record.raw_on_our_tables), pages),
    }
    samples = interleaved(cases, rounds)
    name = f"pull {count:,}, pages of {size:,}"
    return [
        rate("9", name, samples, "ours", "raw", count, floor, stretch),
        rate("", "  against raw statements on our tables, 12 indexes", samples, "ours", "tables", count),
        rate("10", f"{name}, over rows that exist", again, "ours", "raw", count, 0.80, 1.0),
    ]


Pulling = Callable[[Path, Pages, int], list[float]]
"""(folder, pages, times): seconds of each time the pages were pulled into the same file."""


def _twice(work: Pulling, pages: Pages, again: list[float]) -> float:
    with TemporaryDirectory() as folder:
        first, second = work(Path(folder), pages, 2)
    again.append(second)
    return first


def _once(work: Pulling, pages: Pages) -> float:
    with TemporaryDirectory() as folder:
        return work(Path(folder), pages, 1)[0]


def ours(folder: Path, pages: Pages, times: int) -> list[float]:
    """A full pull of the score results of the one account."""
    with record.workspace(folder / "ours.db") as ws:
        return [_pulled(ws, pages) for _ in range(times)]


def _pulled(ws: Workspace, pages: Pages) -> float:
    remote = CannedPlexus({}, pages)
    with watched() as watch:
        report = Sync(ws.database).run([remote], push=False, full=True, only=["ScoreResult"])
    part = report.remotes["plexus"]
    if part.stopped or part.notes:
        raise RuntimeError(f"the pull stopped: {part.reason} {part.notes}")
    return watch.wall_s


def raw(opened: Callable[[Path, str], record.Raw], folder: Path, pages: Pages, times: int) -> list[float]:
    """json.loads, executemany of an upsert, one commit a page."""
    made = opened(folder / "raw.db", "FULL")
    table = made.insert.partition("INTO ")[2].partition(" ")[0]
    upsert = record.UPSERT.replace("INTO score_result", f"INTO {table}")
    seconds = []
    with closing(made.connection) as connection:
        for _ in range(times):
            with watched() as watch:
                for body in pages:
                    items = json.loads(body)["data"]["page"]["items"]
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany(upsert, [record.wire_tuple(item) for item in items])
                    connection.execute("COMMIT")
            seconds.append(watch.wall_s)
    return seconds


def _memory(folder: Path, count: int) -> list[Finding]:
    """Growth of the peak over what the process needs before the first page, in children of their own."""
    grown: dict[tuple[str, int], float] = {}
    for rows in (count // 2, count):
        path = folder / f"memory-{rows}.pages"
        Pages.made(path, rows, 1000)
        for who in ("ours", "raw"):
            say(f"  memory of {who}, {rows:,} rows")
            grown[who, rows] = _child(who, path)
        path.unlink()
    name = f"memory while pulling {count:,}, pages of 1,000"
    mine, theirs = grown["ours", count], grown["raw", count]
    more = mine - grown["ours", count // 2]
    return [
        Finding("12", name, mine, theirs, "+MB", mine, 100.0, 20.0, at_most=True),
        Finding("", f"  of which since row {count // 2:,} (flat: 0)", more, None, "+MB", more),
    ]


def _child(who: str, path: Path) -> float:
    command = [sys.executable, "-m", "benchmarks.pull", who, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return float(answer.stdout)


def _million(folder: Path, count: int, pace: float) -> Finding:
    pages = Pages.made(folder / "million.pages", count, 1000)
    (seconds,) = ours(folder, pages, 1)
    return Finding(
        "11", f"pull {count:,}, over our own pace above", count / seconds, pace, "/s", count / seconds / pace, 0.55, 0.6
    )


def _peak_mb() -> float:
    """The most memory this process ever had. Linux's own mark, because ``ru_maxrss`` is inherited from the parent."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise SystemExit("memory can be measured on Linux only")
    return int(found[1]) / _MEGABYTE


def _grow(who: str, path: Path) -> float:
    """Peak growth of one pull in this process, after a small one that has loaded every module."""
    work = ours if who == "ours" else partial(raw, record.raw_file)
    with TemporaryDirectory() as folder:
        small = Pages.made(Path(folder) / "small.pages", 10, 10)
        (Path(folder) / "small").mkdir()
        work(Path(folder) / "small", small, 1)
        before = _peak_mb()
        work(Path(folder), Pages.opened(path), 1)
        return _peak_mb() - before


if __name__ == "__main__":
    print(_grow(sys.argv[1], Path(sys.argv[2])))
