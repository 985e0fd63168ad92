"""``syncer demo``."""

from __future__ import annotations

from pathlib import Path

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command


@click.command(cls=Command)
@click.option("--records", type=click.IntRange(min=1), default=300, show_default=True, help="How many records to write.")
@click.option("--keep", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Leave the files here.")
@pass_app
def demo(app: App, records: int, keep: Path | None) -> None:
    """See it all work against a sandbox, without an account.

    Writes records offline, syncs them through faults, and proves that both sides are equal. Touches no file of yours.
    """
    from syncer.demo import run

    app.code = run(records=records, keep=keep, echo=click.echo)
