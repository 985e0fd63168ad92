"""``syncer db``: care for the local file."""

from __future__ import annotations

from pathlib import Path

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Group, json_option
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import note, say, say_json

DAMAGED = 5
SHOWN = 5


@click.group(cls=Group)
def db() -> None:
    """Upgrade, check, back up, restore, recover or prune the local file."""


@db.command()
@json_option()
@pass_app
def upgrade(app: App) -> None:
    """Bring the file to the newest schema.

    A backup is taken first. The disk space that it needs is said before anything is written.
    """
    from syncer.store import migrate

    if (room := migrate.room(app.path)) is not None:
        note(
            f"The upgrade from schema {room.before} to {room.now} needs {room.bytes:,} bytes of disk space for the"
            f" backup, and at most as much again while it runs. {room.free:,} bytes are free."
        )
    before, now, kept = migrate.upgrade(app.path)
    if app.json:
        needed = room.bytes if room is not None else 0
        backup = str(kept) if kept else None
        say_json({"path": str(app.path), "before": before, "now": now, "backup": backup, "backup_bytes": needed})
    elif before == now:
        say(f"nothing to do: the schema is {now}, the newest")
    else:
        say(f"upgraded from schema {before} to {now}")
        if kept:
            say(f"the file as it was: {escape_control(str(kept))}")


@db.command()
@json_option()
@pass_app
def check(app: App) -> None:
    """See whether the file is sound and every change ever accepted is accounted for."""
    from syncer.adapters import registry
    from syncer.store import hints, migrate
    from syncer.views import status

    problems = migrate.integrity(app.path)
    if not problems:
        with app.reader() as reader:
            found = status.read(reader, registry.BUILT_IN)
        if not found.consistent:
            gone = found.enqueued - found.pending - sum(found.ledger.values())
            problems.append(f"the ledger is not consistent: {gone:+,} of {found.enqueued:,} changes are not accounted for")
    app.code = DAMAGED if problems else 0
    if app.json:
        say_json({"path": str(app.path), "sound": not problems, "problems": problems})
    elif problems:
        say(f"{escape_control(str(app.path))} is damaged:")
        for problem in problems:
            say(f"  {escape_control(problem)}")
        say(f"  -> {escape_control(hints.damaged(app.path))}")
    else:
        say(f"{escape_control(str(app.path))} is sound, and every change is accounted for")


@db.command()
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@click.option("--damaged", is_flag=True, help="Keep the copy for evidence, even where it is not sound.")
@json_option()
@pass_app
def backup(app: App, dest: Path | None, damaged: bool) -> None:
    """Copy the whole database to DEST, a new file or a folder, while others may go on writing.

    Without DEST the copy lies beside the database, the time in its name. The copy is checked before it gets its name: a
    backup that is not sound is none.
    """
    from syncer import clock
    from syncer.store.rescue import backup as backups

    name = f"{app.path.name}.{clock.now().strftime('%Y%m%dT%H%M%S')}.bak"
    target = app.path.with_name(name) if dest is None else dest / name if dest.is_dir() else dest
    kept = backups.backup(app.path, target, damaged=damaged)
    problems = backups.problems(kept) if damaged else []
    app.code = DAMAGED if problems else 0
    if app.json:
        facts = {"path": str(app.path), "backup": str(kept), "bytes": kept.stat().st_size}
        say_json({**facts, "problems": problems} if damaged else facts)
    else:
        say(f"copied to {escape_control(str(kept))} ({kept.stat().st_size:,} bytes)")
        for problem in problems[:SHOWN]:
            say(f"  the copy is damaged, and only evidence: {escape_control(problem)}")


@db.command()
@click.argument("backup", type=click.Path(path_type=Path))
@json_option()
@pass_app
def restore(app: App, backup: Path) -> None:
    """Put BACKUP in place of the database; the old file is kept beside it, with its log.

    Nobody may have the database open. What the old file knows and the backup does not is listed, with the command that
    brings it back.
    """
    from syncer.cli.output import recovery
    from syncer.store.rescue import restore as restoring

    recovery.say_restored(app, restoring.restore(backup, app.path))


@db.command()
@click.argument("old", metavar="FROM", type=click.Path(path_type=Path))
@click.option(
    "--into", metavar="DEST", type=click.Path(path_type=Path), help="The new file.  [default: beside the database]"
)
@click.option("--log", metavar="LOG", type=click.Path(path_type=Path), help="The -wal file that belongs to FROM.")
@json_option()
@pass_app
def recover(app: App, old: Path, into: Path | None, log: Path | None) -> None:
    """Bring what the old file FROM still holds into a new file; every file that is there stays as it is.

    The new file begins as a copy of the database, if that is sound, and gets each change that was accepted in FROM and that
    the database does not know.
    """
    from syncer.cli.output import recovery
    from syncer.store.rescue import recover as recovering

    target = into or app.path.with_name(f"{app.path.name}.recovered")
    recovery.say_recovered(app, recovering.recover(old, app.path, target, log=log))


@db.command()
@click.option(
    "--older-than",
    "days",
    metavar="DAYS",
    type=click.IntRange(min=1, max=36_500),
    default=90,
    show_default=True,
    help="Forget what was over and done with that many days ago.",
)
@click.option("--dry-run", is_flag=True, help="Only count it.")
@click.option("--vacuum", is_flag=True, help="Give the room back to the disk too; nobody can write meanwhile.")
@json_option()
@pass_app
def prune(app: App, days: int, dry_run: bool, vacuum: bool) -> None:
    """Forget what was long done: changes that left, failed attempts, events, resolved conflicts, past syncs.

    Records stay, and so does everything that is pending or in conflict. Forgotten changes stay counted, so that the
    ledger is consistent; outbox show and history know nothing more of them.
    """
    from syncer import clock
    from syncer.outbox import ledger as pruning
    from syncer.store import maintenance
    from syncer.store.database import Database

    before = clock.after(-86_400.0 * days)
    was = maintenance.size(app.path)
    database = Database(app.path)
    try:
        gone = pruning.prune(database, before, dry_run=dry_run)
    finally:
        database.close()
    alone = dry_run or maintenance.folded(app.path, vacuum=vacuum)
    now = maintenance.size(app.path)
    if app.json:
        said = {"path": str(app.path), "before": before, "dry_run": dry_run, **gone.as_dict()}
        say_json({**said, "bytes_before": was, "bytes": now})
        return
    told = ", ".join(f"{n:,} {name}" for name, n in gone.as_dict().items() if n) or "nothing"
    say(f"{'would forget' if dry_run else 'forgot'} {told} older than {days:,} days")
    if not dry_run:
        say(f"the file: {was:,} bytes before, {now:,} now{'' if alone else '; somebody is reading it'}")
