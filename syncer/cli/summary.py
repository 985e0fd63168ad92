"""The end of a sync in words: what went out, what came in, what waits and why, and the command that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.cli.app import App
from syncer.cli.harmless import harmless
from syncer.cli.render import counted, export, moment, say, styled

if TYPE_CHECKING:
    from syncer.engine.report import RemoteReport, Report

_SHOWN = 5
_STUCK = "SELECT seq, op, model, key, state, reason FROM outbox WHERE remote = ? AND state IN ('parked', 'conflict')"


def print_report(app: App, report: Report) -> None:
    """One paragraph per remote."""
    for part in report.remotes.values():
        say(f"{styled(part.remote, 'bold')}  {_done(part)}")
        _print_pulled(part)
        for text in part.notes if not part.skipped else ():
            say(f"  note: {harmless(app.hidden(text))}")
        if part.checked:
            say(f"  {part.checked}")
        if part.stopped:
            say(f"  stopped: {harmless(app.hidden(part.reason or part.stopped))}")
            _advise(part.hint)
        _print_waiting(app, part)
        if part.attention:
            _print_stuck(app, part)


def _done(part: RemoteReport) -> str:
    if part.skipped:
        return "; ".join(part.notes)
    added = sum(p.added for p in part.pulled.values())
    changed = sum(p.changed for p in part.pulled.values())
    words = []
    if part.acked:
        words.append(f"sent {counted(part.acked, 'change')}")
    removed = sum(p.removed for p in part.pulled.values())
    if added or changed:
        words.append(f"pulled {counted(added + changed, 'row')} ({added:,} new, {changed:,} changed)")
    if removed:
        words.append(f"removed {counted(removed, 'row')} whose {'record is' if removed == 1 else 'records are'} gone")
    return ", ".join(words) or ("nothing sent or pulled" if part.exit_code else "up to date")


def _print_pulled(part: RemoteReport) -> None:
    for model, rows in part.pulled.items():
        kinds = (
            (rows.added, "new"),
            (rows.changed, "changed"),
            (rows.held, "with edits of yours kept"),
            (rows.removed, "removed"),
        )
        words = [f"{number:,} {kind}" for number, kind in kinds if number]
        if words:
            say(f"  {model}: {', '.join(words)}")


def _print_waiting(app: App, part: RemoteReport) -> None:
    """What goes out without anybody's doing, at the next run or when its time has come."""
    waiting = part.waiting - part.attention - part.kept
    if waiting <= 0:
        return
    due = f"; the next is due {moment(part.next_due_at)}" if part.next_due_at else ""
    behind = f", {part.blocked:,} of them behind another change" if part.blocked else ""
    say(f"  {counted(waiting, 'change')} {'waits' if waiting == 1 else 'wait'}{behind}{due}")
    _advise(export(app.missing(part.remote)) if part.skipped else f"syncer push {part.remote}")


def _print_stuck(app: App, part: RemoteReport) -> None:
    say(f"  {counted(part.attention, 'change')} {'needs' if part.attention == 1 else 'need'} you:")
    with app.reader() as reader:
        rows = reader.all(f"{_STUCK} ORDER BY seq LIMIT ?", (part.remote, _SHOWN))
    for seq, op, model, key, state, reason in rows:
        why = f": {app.hidden(reason)}" if reason else ""
        say(harmless(f"    {seq}  {op} {model} {key} is {'in conflict' if state == 'conflict' else state}{why}"))
    if rows:
        seq, *_, state, _ = rows[0]
        _advise(f"syncer {'conflicts' if state == 'conflict' else 'outbox'} show {seq}")
    if part.attention > len(rows):
        _advise("syncer outbox list --state parked, syncer conflicts list   (all of them)")


def _advise(hint: str | None) -> None:
    if hint:
        say(f"    -> {harmless(hint)}")
