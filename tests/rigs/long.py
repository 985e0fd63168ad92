"""The long profile of every rig: ``python -m tests.rigs.long [RIG ...] [--seed N] [--runs N]``.

Each rig runs in a process of its own, once for each seed (N, N + 1, ...); those without chance just run so many times. What
they tell is added up into rows for ``docs/guarantees.md``; what a run printed stays in ``--logs``. Ends with 1 when any run
failed, and says how to repeat it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
_TOLD = re.compile(r"^rig [\w &-]+: (.+)$", re.MULTILINE)
_COUNT = re.compile(r"(\w+)=(-?\d+(?:\.\d+)?)(?=,|$)")
_LARGEST = ("wal_mb", "pull_mb", "rounds_mb", "kinds", "known")
"""What is not added up over tests and runs: the largest counts."""
_NO_COUNTS = ("seed", "schema", "status", "room")


@dataclass(frozen=True)
class Long:
    """A rig: its files below ``tests``, and how many times the profile of CI a long run is."""

    name: str
    about: str
    scale: int
    files: tuple[str, ...]
    seeded: bool = True

    def command(self, seed: int) -> tuple[dict[str, str], list[str]]:
        """Settings and arguments of one run."""
        files = [f"tests/{file}" for file in self.files]
        environment = {"SYNCER_RIG": str(self.scale), "SYNCER_RIG_SEED": str(seed)}
        return environment, ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", *files]

    def line(self, seed: int) -> str:
        """The same to type."""
        environment, arguments = self.command(seed)
        return " ".join([*(f"{n}={v}" for n, v in environment.items()), "python", *arguments])


RIGS = (
    Long(
        "laws",
        "merge laws, plans, orders of a sync, small machines (R1, R2)",
        5,
        (
            "merge/test_three_way.py", "merge/test_rules.py", "engine/plan/test_plan.py", "engine/test_machine.py",
            "engine/reconcile/test_conflicts_machine.py", "rigs/test_schedules.py",
        ),
    ),
    Long("days", "random days on all three APIs (R2)", 2, ("rigs/test_days.py",)),
    Long("machines", "two machines with wrong clocks (R2)", 2, ("rigs/test_two_machines.py",)),
    Long("trace", "the same seed twice (R3)", 2, ("rigs/test_same_trace.py",)),
    Long("kills", "killed processes (R4)", 3, ("rigs/test_kill.py",)),
    Long(
        "power",
        "power loss, killed pulls and upgrades, suspended syncs (R4)",
        2,
        ("rigs/test_power.py", "rigs/test_kill_pull.py", "rigs/test_fencing.py", "rigs/test_failpoints.py"),
    ),
    Long("network", "fault proxy, poisoned batches (R5)", 3, ("rigs/test_proxy.py", "rigs/test_refusals.py")),
    Long("processes", "many processes on one file (R6)", 3, ("rigs/test_processes.py",)),
    Long("log", "bugs of SQLite's own log (I33)", 20, ("rigs/test_wal_reset.py", "rigs/test_wal_spill.py")),
    Long(
        "files",
        "released schemas, damage, full disks, hostile data (R7)",
        2,
        ("rigs/test_schemas.py", "rigs/test_damage.py", "rigs/test_disk.py", "rigs/test_hostile_data.py"),
    ),
    Long("file", "the three files under everything that is done to files, a failing disk (R10)", 4, ("rigs/test_file.py",)),
    Long(
        "hostile",
        "credentials, names, addresses, terminals (security)",
        1,
        ("rigs/test_secrets.py", "rigs/test_shown.py", "rigs/test_transport.py"),
        seeded=False,
    ),
    Long("soak", "a million records (R8)", 50, ("rigs/test_soak.py",), seeded=False),
    Long("planted", "planted bugs (R9)", 2, ("rigs/test_planted.py",), seeded=False),
)  # fmt: skip
"""Every rig whose length or chance can be set is in one of these (``tests/test_guarantees.py``)."""


def counted(text: str) -> Counter[str]:
    """What the rigs told on their lines (see :func:`tests.rigs.settings.tally`), added up by name."""
    total: Counter[str] = Counter()
    for told in _TOLD.findall(text):
        for name, value in _COUNT.findall(told):
            if name in _LARGEST:
                total[name] = max(total[name], round(float(value)))
            elif name not in _NO_COUNTS:
                total[name] += int(float(value))
    return total


def together(runs: Iterable[Counter[str]]) -> Counter[str]:
    """Several runs as one."""
    total: Counter[str] = Counter()
    for one in runs:
        for name, value in one.items():
            total[name] = max(total[name], value) if name in _LARGEST else total[name] + value
    return total


def row(rig: Long, seeds: Sequence[int], total: Counter[str], seconds: float) -> str:
    """A row of the table."""
    counts = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in total.items() if name not in ("lost", "doubled"))
    named = ", ".join(map(str, seeds)) if rig.seeded else f"{len(seeds)} runs"
    return f"| {rig.name} | {rig.about} | {named} | {counts} | {total['lost']} | {total['doubled']} | {seconds:,.0f} s |"


def run(rig: Long, seed: int, logs: Path) -> Counter[str] | None:
    """One long run; None when it failed."""
    environment, arguments = rig.command(seed)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNCER_")}
    log = logs / f"{rig.name}-{seed}.log"
    with log.open("w") as out:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=inherited | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return None if done.returncode else counted(log.read_text("utf-8", "replace"))


@click.command()
@click.argument("names", nargs=-1, metavar="[RIG]...", type=click.Choice([rig.name for rig in RIGS]))
@click.option("--seed", default=501, show_default=True, help="The first seed.")
@click.option("--runs", default=3, show_default=True, type=click.IntRange(1), help="How many seeds.")
@click.option("--logs", type=click.Path(path_type=Path, file_okay=False), help="Where what the runs print is kept.")
def main(names: Sequence[str], seed: int, runs: int, logs: Path | None) -> None:
    """Run the long profile of each RIG, or of all; print one row of counts a rig."""
    folder = logs or Path(tempfile.mkdtemp(prefix="syncer-rigs-"))
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"logs: {folder}", err=True)
    failed = False
    for rig in [rig for rig in RIGS if not names or rig.name in names]:
        seeds, started = range(seed, seed + runs), time.monotonic()
        results = {one: run(rig, one, folder) for one in seeds}
        for one, result in results.items():
            if result is None:
                failed = True
                click.echo(f"failed: {rig.line(one)}", err=True)
        click.echo(row(rig, seeds, together(r for r in results.values() if r is not None), time.monotonic() - started))
    sys.exit(failed)


if __name__ == "__main__":
    main()
