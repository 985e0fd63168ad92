"""``syncer doctor``."""

from __future__ import annotations

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import counted, say, say_json, styled

_STYLES = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(cls=Command)
@click.option("--remote", "ask", is_flag=True, help="Ask the configured remotes too: credentials, clock, schema.")
@json_option()
@pass_app
def doctor(app: App, ask: bool) -> None:
    """Look for what could go wrong, and say what to do about it.

    Looks at the local file, its bookkeeping and the settings: one line for each check. Ends with 0 when nothing
    failed, warnings included; 2 settings that cannot be used; 4 a remote that cannot be used; 5 a damaged file.
    """
    from syncer.diagnostics.doctor import examine

    found = examine(app.settings, remote=ask)
    app.code = found.exit_code
    if app.json:
        say_json(found.as_dict())
        return
    widest = max(len(each.check) for each in found.findings)
    for each in found.findings:
        verdict = styled(each.verdict.ljust(4), _STYLES[each.verdict])
        say(f"{verdict}  {each.check.ljust(widest)}  {escape_control(each.text)}")
        if each.hint:
            say(f"      -> {escape_control(each.hint)}")
    failed = sum(each.verdict == "fail" for each in found.findings)
    warned = sum(each.verdict == "warn" for each in found.findings)
    say()
    say(f"{counted(len(found.findings), 'check')}: {failed:,} failed, {counted(warned, 'warning')}")
    if not ask:
        say("  -> syncer doctor --remote   (asks the remotes too)")
