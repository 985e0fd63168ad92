"""``syncer``: the commands, and the one place where errors become sentences and exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from syncer.cli.context import App
from syncer.cli.group import Entry, LazyGroup, shared_options
from syncer.version import __version__

SECTIONS = {
    "Every day": {
        "sync": Entry("syncer.cli.commands.sync", "Send what is pending, then pull what others wrote."),
        "push": Entry("syncer.cli.commands.sync", "Only send what is pending."),
        "pull": Entry("syncer.cli.commands.sync", "Only pull what others wrote."),
        "plan": Entry("syncer.cli.commands.plan", "Show what the next sync would do, and do none of it."),
        "status": Entry(
            "syncer.cli.commands.status",
            "Show what is pending, what needs attention, and when each remote was last reached.",
        ),
    },
    "Look": {
        "query": Entry("syncer.cli.commands.query", "Run SQL on the local file; it can only read."),
        "tables": Entry("syncer.cli.commands.tables", "List tables and views with their row counts."),
        "schema": Entry("syncer.cli.commands.tables", "Columns and indexes of one table, or of all."),
        "outbox": Entry("syncer.cli.commands.outbox", "List, show, retry or drop pending changes."),
        "explain": Entry("syncer.cli.commands.explain", "Say why a record has not arrived, and what helps."),
        "history": Entry("syncer.cli.commands.history", "Show what happened to a record, newest first."),
        "conflicts": Entry("syncer.cli.commands.conflicts", "List, show or resolve what both sides changed."),
        "verify": Entry("syncer.cli.commands.verify", "Compare every record with its row, and repair what differs."),
    },
    "Set up": {
        "init": Entry("syncer.cli.commands.init", "Make the local file and see which settings are missing."),
        "config": Entry("syncer.cli.commands.config", "What is configured, and where each value comes from."),
        "doctor": Entry("syncer.cli.commands.doctor", "Look for what could go wrong, and say what to do about it."),
        "db": Entry("syncer.cli.commands.db", "Upgrade, check, back up, restore, recover or prune the local file."),
        "sandbox": Entry("syncer.cli.commands.sandbox", "Run the platforms on this machine, faults on demand."),
        "demo": Entry("syncer.cli.commands.demo", "See it all work against a sandbox, without an account."),
    },
}
_EPILOG = "Exit codes: 0 done, 1 internal error, 2 usage, 3 some records need attention, 4 try later, 5 the local file."
# Importing makes thousands of objects that stay: looking for garbage among them costs a tenth of a short command.
_COLLECT_AFTER = 50_000


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"syncer {__version__}")
        ctx.exit(0)


cli = LazyGroup(
    "syncer",
    sections=SECTIONS,
    help="Write offline, sync once, query locally: records of remote platforms over one SQLite file.",
    epilog=_EPILOG,
    params=[
        *shared_options(hidden=False),
        click.Option(
            ("--version",),
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version and end.",
        ),
    ],
    context_settings={"max_content_width": 100},
)


def run(args: Sequence[str]) -> int:
    """Run one command line; its exit code. Never raises."""
    app = App(json="--json" in args)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a character the terminal cannot show must not end a command
            stream.reconfigure(errors="backslashreplace")
    try:
        with cli.make_context("syncer", list(args), obj=app) as ctx:
            cli.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except BaseException as exc:  # noqa: BLE001 - the one boundary: every error becomes a sentence here
        from syncer.cli.errors import report_error

        return report_error(exc, app)
    return app.code


def main() -> NoReturn:
    """The ``syncer`` command."""
    if "_SYNCER_COMPLETE" in os.environ:
        cli.main(prog_name="syncer")
    gc.set_threshold(_COLLECT_AFTER)
    code = run(sys.argv[1:])
    # What was written is durable and every connection closed: taking the interpreter apart would only cost the time in
    # which a fifth of a short command is spent.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
