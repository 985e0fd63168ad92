"""``python -m benchmarks [write|push|pull|query|start|paths ...] [--rounds 5] [--quick] [--json]``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.report import Finding

SUBJECTS = ("write", "push", "pull", "query", "start", "paths")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, then print one table, or JSON. Ends with 1 when a floor is not met and ``--strict`` was given."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # temporary folders are removed then too
    sys.path.insert(0, str(Path(__file__).parents[1]))  # for python benchmarks/run.py

    from benchmarks import report

    load = os.getloadavg()[0]
    found = []
    for subject in options.subjects or SUBJECTS:
        run = import_module(f"benchmarks.{subject}").run
        if subject == "pull":
            run = partial(run, million=options.million)
        if subject in ("pull", "query") and options.rows:
            run = partial(run, count=options.rows)
        part = run(options.rounds, options.quick)
        found += part
        if not options.json and part:
            print(f"\n{subject}\n{report.table(part)}", flush=True)
    if options.json:
        print(report.as_json(found, load))
    else:
        print(f"\n{_count(found, True)} floors met, {_count(found, False)} not. Load before: {load:.2f}. {report.machine()}")
    if options.strict and any(f.met is False for f in found):
        raise SystemExit(1)


def _count(found: Sequence[Finding], met: bool) -> int:
    return sum(finding.met is met for finding in found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "subjects", nargs="*", choices=SUBJECTS, metavar="SUBJECT", help=f"{', '.join(SUBJECTS)}; all if none"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every case (5); the median counts")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size: shows that it works, not how fast")
    parser.add_argument("--rows", type=int, help="rows of pull (100,000) and query (200,000)")
    parser.add_argument("--million", action="store_true", help="row 11 too: a pull of ten times the rows; minutes more")
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of tables")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a floor is not met")
    return parser


if __name__ == "__main__":
    main()
