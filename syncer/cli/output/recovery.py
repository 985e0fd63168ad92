"""What ``db restore`` and ``db recover`` say when they are done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncer.cli.context import App
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import say, say_json
from syncer.errors import DatabaseError
from syncer.store import hints
from syncer.store.rescue.beyond import Beyond, beyond
from syncer.store.rescue.carry import Brought, Held
from syncer.store.rescue.recover import Recovered
from syncer.store.rescue.restore import Restored

ATTENTION = 3
SHOWN = 5
_LEFT = {
    "acked": "already sent after this backup was taken; a pull brings their records",
    "superseded": "merged into later changes after this backup was taken",
    "discarded": "discarded after this backup was taken",
}


def say_restored(app: App, done: Restored) -> None:
    """The new file, where the old one is, and what only the old one knows."""
    found, unread = None, None
    if done.previous is not None and done.previous.exists():
        try:
            found = beyond(done.previous, done.path)
        except DatabaseError as exc:
            unread = exc.sentence
    if app.json:
        say_json(_restored(done, found, unread))
        return
    if done.taken_back:
        say(f"the interrupted restore is undone, and the old file is back: {escape_control(str(done.path))}")
        return
    say(f"restored {escape_control(str(done.path))} from {escape_control(str(done.backup))}")
    for number, name in enumerate(done.set_aside):
        say(f"{'the old file' if number == 0 else 'and its log'} is kept: {escape_control(str(name))}")
    if found is not None and done.previous is not None:
        _say_beyond(found, hints.recover(done.previous))
    elif unread is not None and done.previous is not None:
        say(f"the old file cannot be compared: {escape_control(app.hidden(unread))}")
        say(f"  -> to bring what it still holds: {escape_control(hints.recover(done.previous))}")
    if done.needs_upgrade:
        say("  -> the backup has an older schema; run: syncer db upgrade")


def say_recovered(app: App, done: Recovered) -> None:
    """What the new file holds, what could not be brought, and how to put it in place. Exit 3 when something was not."""
    app.code = ATTENTION if done.carried.held or done.lost or done.skipped else 0
    if app.json:
        say_json(done.as_dict())
        return
    say(f"made {escape_control(str(done.path))}, beginning with {escape_control(str(done.began_with))}")
    if done.without_log:
        say("the log beside the old file belongs to another file and was left out")
        say(f"  -> with the file that it belongs to: {escape_control(hints.recover(done.source))} --log LOG")
    if done.began_with != done.source:
        _say_changes(
            f"{len(done.carried.brought):,} changes brought from {escape_control(str(done.source))}", done.carried.brought
        )
    _say_changes(f"{len(done.carried.held):,} changes not brought", done.carried.held)
    if done.carried.held:
        say("  -> they stay in the old file; after syncer sync and a pull, the same command may bring more of them")
    for table, n in done.skipped.items():
        how_many = f"at most {n:,}" if n > 0 else "how many is not known"
        say(f"rows of {escape_control(table)} that could not be read: {how_many}")
    if done.lost:
        say(f"{done.lost:,} accepted changes were not found; the ledger counts them as lost")
    say(f"  -> to use the new file: {escape_control(hints.restore(done.path))}")


def _say_beyond(found: Beyond, command: str) -> None:
    for outcome, n in found.left.items():
        say(f"{n:,} changes {_LEFT.get(outcome, outcome)}")
        for example in found.examples[outcome]:
            say(f"  {escape_control(example)}")
    if found.again:
        say(f"{found.again:,} of these are pending in the restored file, and go out again under the same keys")
    if found.pending:
        _say_changes(f"{len(found.pending):,} changes are pending in the old file only, and are nowhere else", found.pending)
        say(f"  -> to bring them into a new file: {escape_control(command)}")


def _say_changes(head: str, changes: Sequence[Brought | Held]) -> None:
    if not changes:
        return
    say(head)
    for each in changes[:SHOWN]:
        why = f": {each.why}" if isinstance(each, Held) else ""
        say(f"  {each.seq}: {escape_control(f'{each.op} of {each.remote} {each.model} {each.key}{why}')}")
    if len(changes) > SHOWN:
        say(f"  and {len(changes) - SHOWN:,} more")


def _restored(done: Restored, found: Beyond | None, unread: str | None) -> dict[str, Any]:
    return {
        "path": str(done.path),
        "backup": str(done.backup),
        "schema": done.schema,
        "needs_upgrade": done.needs_upgrade,
        "taken_back": done.taken_back,
        "previous": str(done.previous) if done.previous else None,
        "set_aside": [str(name) for name in done.set_aside],
        "beyond": found.as_dict() if found else None,
        "not_compared": unread,
        "recover": hints.recover(done.previous) if done.previous else None,
    }
