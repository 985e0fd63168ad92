"""A click group whose commands are imported when they run, and whose help lists them in the order people need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from syncer.cli.context import App

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Entry(NamedTuple):
    """Where a command lives, and its line in the help."""

    module: str
    line: str


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    app = ctx.find_object(App)
    if app is None or value in (None, 0):
        return
    setattr(app, param.name or "", value)


_SHARED: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--db",), {"metavar": "FILE", "help": "The local database.  [env: SYNCER_DB]"}),
    (("--config",), {"metavar": "FILE", "help": "The configuration file.  [env: SYNCER_CONFIG]"}),
    (("--profile",), {"metavar": "NAME", "help": "A profile in it.  [env: SYNCER_PROFILE]"}),
    (
        ("-v", "--verbose"),
        {"count": True, "help": "Say on stderr what goes on, with tracebacks; twice: every request."},
    ),
)


def shared_options(*, hidden: bool, taken: frozenset[str] = frozenset()) -> list[click.Option]:
    """The options of the group; every command takes them too, without listing them again, unless it has one of ``taken``."""
    return [
        click.Option(names, expose_value=False, callback=_keep, hidden=hidden, **facts)
        for names, facts in _SHARED
        if not taken.intersection(names)
    ]


def _help(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(ctx.get_help())
        ctx.exit(0)


def _help_option() -> click.Option:
    """``--help`` as click makes it, without the search for translations that costs a short command a millisecond."""
    return click.Option(
        ("-h", "--help"), is_flag=True, is_eager=True, expose_value=False, callback=_help, help="Show this and end."
    )


class Command(click.Command):
    """A command that also takes the group's options, so that their place on the line does not matter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = frozenset(name for param in self.params for name in param.opts)
        self.params += shared_options(hidden=True, taken=taken)

    def invoke(self, ctx: click.Context) -> Any:
        app = ctx.find_object(App)
        if app is not None and app.verbose:
            from syncer.cli.logs import start

            start(app)
        return super().invoke(ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _help_option()


class Group(click.Group):
    """A group inside the program: without a command it shows its help; a misspelt one gets near names."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(0)
        return super().parse_args(ctx, args)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _help_option()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from syncer.errors import UsageError
            from syncer.suggest import near

            hint = near(args[0], self.list_commands(ctx)) or f"commands are listed by: {ctx.command_path} --help"
            raise UsageError(f"there is no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """The program itself: ``sections`` of commands by title, none of them imported before it is asked for."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Entry]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._entries = {name: entry for section in sections.values() for name, entry in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self._entries))
        for title, section in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), entry.line) for name, entry in section.items()])


def json_option(what: str = "Print the facts as JSON.") -> Decorator:
    """``--json``, kept in :class:`App`."""
    return click.option("--json", "json", is_flag=True, expose_value=False, callback=_keep, help=what)
