"""``syncer sandbox``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.text import note, say

_RATE = click.FloatRange(0, 1)


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port to listen on; 0 takes a free one.")
@click.option("--db", "file", metavar="FILE", type=click.Path(path_type=Path), help="Keep its records here, else in memory.")
@click.option("--latency-ms", type=click.FloatRange(min=0), default=0, help="Let every answer take so long.")
@click.option("--fail-rate", type=_RATE, default=0, help="Share of requests that fail with 500 or 503, or in parts.")
@click.option("--lose-reply-rate", type=_RATE, default=0, help="Share of requests that are applied but never answered.")
@click.option("--throttle", type=_RATE, default=0, help="Share of requests refused with 429 and Retry-After.")
@click.option("--seed", type=int, default=0, help="Makes the faults the same in every run.")
@click.option("--legacy", is_flag=True, help="Also serve the models that today's deployments lack.")
@json_option("Print the settings as one line of JSON.")
@pass_app
def sandbox(
    app: App,
    port: int,
    file: Path | None,
    latency_ms: float,
    fail_rate: float,
    lose_reply_rate: float,
    throttle: float,
    seed: int,
    legacy: bool,
) -> None:
    """Run the platforms on this machine, faults on demand.

    Prints the settings to use once it listens on 127.0.0.1, then serves until Ctrl-C. Nothing else is printed to stdout.
    """
    from syncer.sandbox import Options, serve

    options = Options(file, latency_ms, fail_rate, lose_reply_rate, throttle, seed, legacy)
    serve(options, port, lambda settings: _print_settings(app, settings))


def _print_settings(app: App, settings: Mapping[str, str]) -> None:
    import json
    from shlex import quote

    if app.json:
        say(json.dumps(dict(settings)))
    else:
        for name, value in settings.items():
            say(f"export {name}={quote(value)}")
    sys.stdout.flush()
    if sys.stderr.isatty():
        note("the sandbox listens; use these settings in another terminal, end it with Ctrl-C")
