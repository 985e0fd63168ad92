"""``syncer verify``: both sides side by side, and the word at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import counted, export, say, say_json, styled

if TYPE_CHECKING:
    from syncer.engine.verify.diff import RecordDifference
    from syncer.engine.verify.report import ModelComparison, RemoteVerification, Verification

_SHOWN = 20
_WIDEST = 60


@click.command(cls=Command)
@click.argument("remotes", metavar="[REMOTE]...", nargs=-1)
@click.option("-m", "--model", "models", metavar="MODEL", multiple=True, help="Only this model; repeatable.")
@click.option("--sample", type=click.IntRange(min=1), help="Compare only so many rows of each model: cheap, and finds less.")
@click.option("--repair", is_flag=True, help="Repair what differs here. Pending local edits are kept; nothing is sent.")
@click.option("--resend", is_flag=True, help="With --repair: queue again what a remote has lost since it acknowledged it.")
@click.option("--allow-mass-delete", is_flag=True, help="With --repair: remove rows whose records are gone even when many.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long to wait for a remote that has a temporary failure.",
)
@json_option("Print what was found as JSON, every difference with both values.")
@pass_app
def verify(
    app: App,
    remotes: tuple[str, ...],
    models: tuple[str, ...],
    sample: int | None,
    repair: bool,
    resend: bool,
    allow_mass_delete: bool,
    wait_s: float,
) -> None:
    """Compare every record with its row, and repair what differs.

    Of every REMOTE, or of those named. Reads all a remote has, as a pull from the beginning does. Ends with 0 when both
    sides are equal, with 3 when something differs.
    """
    from syncer.cli.options import check, hidden
    from syncer.cli.output.progress import watching
    from syncer.errors import UsageError

    if not repair and (resend or allow_mass_delete):
        raise UsageError(f"{'--resend' if resend else '--allow-mass-delete'} goes with --repair")
    check(app, remotes, models)
    with app.workspace() as workspace:
        with watching(in_lines=bool(app.verbose)) as watch:
            found = workspace.verify(
                remotes or None,
                models=models or None,
                sample=sample,
                repair=repair,
                resend=resend,
                allow_mass_delete=allow_mass_delete,
                wait_s=wait_s,
                watch=watch,
            )
        app.code = found.exit_code
        if app.json:
            say_json(hidden(app, found.as_dict()))
        else:
            _print(app, found)


def _print(app: App, found: Verification) -> None:
    for part in found.remotes.values():
        say(styled(part.remote, "bold") + (f"  {'; '.join(part.notes)}" if part.skipped else ""))
        if not part.skipped:
            _print_remote(app, part)
    say()
    for line in _verdict(app, found):
        say(escape_control(line))


def _print_remote(app: App, part: RemoteVerification) -> None:
    asked = [model for model in part.models.values() if model.not_compared is None]
    for model in asked:
        if model.here or model.there or model.drift or model.failed:
            _print_model(app, model)
    empty = sum(not (model.here or model.there or model.drift or model.failed) for model in asked)
    if empty:
        say(f"  {counted(empty, 'model')} with nothing on either side")
    left_out: dict[str, list[str]] = {}
    for model in part.models.values():
        if model.not_compared is not None:
            left_out.setdefault(model.not_compared, []).append(model.model)
    for why, names in left_out.items():
        say(escape_control(app.hidden(f"  not compared: {', '.join(names)} ({why})")))
    for text in part.notes:
        say(escape_control(app.hidden(f"  note: {text}")))
    if part.inconsistent:
        say("  the ledger is not consistent: changes are missing from it   -> syncer db check")
    if part.stopped:
        say(escape_control(app.hidden(f"  stopped: {part.reason or part.stopped}")))


def _print_model(app: App, model: ModelComparison) -> None:
    words = [f"{model.here:,} here", f"{model.there:,} there"]
    words += [f"{number:,} {what}" for number, what in ((model.equal, "equal"), (model.pending, "pending")) if number]
    words += [f"{number:,} {kind}" for kind, number in model.kinds.items()]
    words += [f"{model.repaired:,} repaired"] if model.repaired else []
    say(f"  {model.model}: {', '.join(words)}")
    for difference in model.differences[:_SHOWN]:
        say(escape_control(app.hidden(f"    {_told(difference)}")))
    if model.drift > _SHOWN:
        say(f"    and {model.drift - _SHOWN:,} more (--json lists them)")
    if model.failed:
        say(escape_control(app.hidden(f"    not compared to the end: {model.failed}")))


def _told(difference: RecordDifference) -> str:
    pairs = [f"{name}: here {_short(here)}, there {_short(there)}" for name, (here, there) in difference.fields.items()]
    after = "; ".join(filter(None, (*pairs, difference.note)))
    repaired = f" -> {difference.repaired}" if difference.repaired else ""
    return f"{difference.kind}  {difference.key}{'  ' if after else ''}{after}{repaired}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _verdict(app: App, found: Verification) -> list[str]:
    """The word at the end, and what to do next."""
    if not found.compared:
        return ["Verdict: NOTHING COMPARED.", *(f"  -> {export(app.missing(name))}" for name in found.remotes)]
    parts = found.compared
    lines = []
    if found.exit_code == 4:
        lines.append(f"Verdict: NOT COMPARED TO THE END. {counted(found.drift, 'difference')} so far.")
        lines += [f"  -> {hint}" for hint in dict.fromkeys(part.hint for part in parts if part.hint)]
    elif found.equal:
        lines.append(_equal(parts))
    elif found.drift:
        differ = "differs" if found.drift == 1 else "differ"
        lines.append(f"Verdict: NOT EQUAL. {counted(found.drift, 'record')} {differ}.")
    else:
        lines.append("Verdict: NOT EQUAL. Some records need attention.")
    return lines + _advice(parts)


def _equal(parts: list[RemoteVerification]) -> str:
    sample = next((part.sample for part in parts if part.sample is not None), None)
    picked = f" Only {sample:,} rows of each model were looked at: what is missing here cannot be seen so." if sample else ""
    repaired = sum(part.repaired for part in parts)
    waiting = sum(model.pending for part in parts for model in part.models.values())
    words = f" {counted(repaired, 'difference')} repaired." if repaired else ""
    words += f" Changes of {counted(waiting, 'record')} are pending: syncer push" if waiting else ""
    return f"Verdict: EQUAL. Both sides hold the same.{words}{picked}"


def _advice(parts: list[RemoteVerification]) -> list[str]:
    lines = []
    for part in parts:
        left = [model for model in part.models.values() if model.drift > model.repaired]
        news = sum(model.news for model in left)
        lost = sum(model.kinds.get(kind, 0) for model in left for kind in model.kinds if kind == "lost there")
        rest = part.drift - part.repaired - lost
        repaired = any(model.repaired for model in part.models.values())
        if news and news == rest:
            lines.append(f"  -> syncer pull {part.remote}   (all of it was written there after the last pull)")
        elif rest and not repaired:
            lines.append(f"  -> syncer verify {part.remote} --repair")
        if lost:
            lines.append(f"  -> syncer verify {part.remote} --repair --resend   (send again what was lost there)")
            lines.append(f"  -> syncer pull {part.remote} --full   (or let it go here too)")
        if part.conflicts:
            lines.append("  -> syncer conflicts list")
    return lines
