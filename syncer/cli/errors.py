"""Any error as a sentence on standard error, with ``--json`` also as an object on standard output, and as an exit code."""

from __future__ import annotations

import errno
import os
import sys
import traceback

import click

from syncer.cli.context import App
from syncer.cli.output.escape import escape_control, escape_control_lines
from syncer.cli.output.text import say_json, styled
from syncer.errors import SettingError, SyncerError, UsageError

INTERRUPTED = 130  # 128 + SIGINT, as shells say


def report_error(exc: BaseException, app: App) -> int:
    """Say what happened; the exit code."""
    if isinstance(exc, BrokenPipeError):
        return _silent(app)
    if isinstance(exc, SystemExit):
        return exc.code if isinstance(exc.code, int) else 0
    try:
        return _said(exc, app)
    except BrokenPipeError:
        return _silent(app)


def _silent(app: App) -> int:
    """Whoever read our output wanted no more of it, as ``head`` does: no error of ours, so the command's own code stands."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(nowhere, stream.fileno())
    return app.code


def _said(exc: BaseException, app: App) -> int:
    if isinstance(exc, KeyboardInterrupt | click.Abort):
        sys.stderr.write("\n")
        _tell("stopped; nothing is lost, and what was not sent is still pending", None, app)
        return INTERRUPTED
    error = worded(exc)
    if app.verbose:
        sys.stderr.write(escape_control_lines(app.hidden("".join(traceback.format_exception(exc)))))
    _tell(error.sentence, error.hint, app)
    if app.json:
        facts = {name: value and app.hidden(value) for name, value in error.as_dict().items()}
        say_json({"error": {**facts, "exit_code": error.exit_code}})
    sys.stdout.flush()
    return error.exit_code


def _tell(sentence: str, hint: str | None, app: App) -> None:
    name = styled("syncer:", "red", stream=sys.stderr)
    sys.stderr.write(f"{name} {escape_control(app.hidden(sentence))}\n")
    if hint:
        sys.stderr.write(f"  -> {escape_control(app.hidden(hint))}\n")


def worded(exc: BaseException) -> SyncerError:
    """``exc`` as one of our errors."""
    if isinstance(exc, SyncerError):
        return exc
    if isinstance(exc, click.ClickException):
        return UsageError(_lowered(exc.format_message()), hint=_help_of(exc))
    if isinstance(exc, OSError) and exc.errno in (errno.EMFILE, errno.ENFILE):
        from syncer.store.errors import no_more_files

        return no_more_files()
    if isinstance(exc, OSError) and exc.filename is not None:
        return SettingError(f"{exc.filename} cannot be used", why=exc.strerror, hint="check the path and its permissions")
    if isinstance(exc, OSError) and exc.strerror:
        return UsageError("the output could not be written", why=exc.strerror)
    return SyncerError(
        "sorry, this is a bug in syncer; what was written before is safe",
        why=f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__,
        hint="please report it with the command, and with what the same command prints with -v",
    )


def _lowered(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).removesuffix(".")


def _help_of(exc: click.ClickException) -> str | None:
    ctx = exc.ctx if isinstance(exc, click.UsageError) else None
    return f"{ctx.command_path} --help" if ctx else None
