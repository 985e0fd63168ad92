"""The demo, step by step: a day without network, a sync that is killed, and proof that nothing was lost or doubled."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from random import Random
from shlex import quote
from time import perf_counter

from syncer.adapters import registry
from syncer.config import Settings
from syncer.demo import colleague, compare, platforms, tables
from syncer.demo.processes import Broken, Finished, Troupe, ending_when_told, killed_when, silent_port
from syncer.demo.questions import QUESTIONS
from syncer.demo.session import ACCOUNT_KEY, PROGRESS, Session
from syncer.demo.trace import DEPLOYMENT, ORGANIZATION, Trace
from syncer.demo.upstream import Effects, Upstream
from syncer.demo.verdict import Check, judged
from syncer.errors import UsageError
from syncer.store.reader import Reader
from syncer.workspace import Workspace

Echo = Callable[[str], None]

LOCAL, SANDBOX = "local.db", "sandbox.db"
_SEED = 7
_WEATHER = {"--latency-ms": "50", "--lose-reply-rate": "0.12", "--throttle": "0.04", "--seed": "66"}
_ATTEMPTS = 5
_CARD_UNSENT = "SELECT count(*) FROM outbox WHERE model = 'Scorecard'"
_IN_THE_AIR = "SELECT count(*) FROM outbox WHERE state IN ('sending', 'ambiguous')"
_LATER = 4
"""Exit code of a sync that could not finish now."""


def run(*, records: int = 300, keep: Path | None = None, echo: Echo) -> int:
    """Play the demo with ``records`` score results; 0 when both sides are equal and nothing is doubled, else 1.

    ``keep``: where the local and the sandbox's file stay. Raises: UsageError when files of a demo are there already.
    """
    if records < 1:
        raise UsageError(f"a demo with {records} records shows nothing", hint="--records 60 is quick")
    with ExitStack() as stack:
        stack.enter_context(ending_when_told())
        hidden = Path(tempfile.mkdtemp(prefix="syncer-demo-"))
        stack.callback(shutil.rmtree, hidden, ignore_errors=True)
        folder = hidden if keep is None else _kept(keep)
        troupe = stack.enter_context(Troupe(folder / LOCAL, hidden, {}))
        port = stack.enter_context(silent_port())
        nowhere = f"http://127.0.0.1:{port}"
        troupe.plexus = {
            "PLEXUS_API_URL": f"{nowhere}/graphql",
            "PLEXUS_API_KEY": "demo",
            "PLEXUS_ACCOUNT_KEY": ACCOUNT_KEY,
            "PREFACTOR_API_URL": nowhere,
            "PREFACTOR_API_TOKEN": "demo",
            "ABEJA_API_URL": nowhere,
            "PLATFORM_AUTH_TOKEN": "demo",
            "ABEJA_ORGANIZATION_ID": ORGANIZATION,
            "ABEJA_DEPLOYMENT_IDS": DEPLOYMENT,
        }
        workspace = stack.enter_context(Workspace(Settings(db=str(folder / LOCAL))))
        return Story(workspace, troupe, folder / SANDBOX, records, echo, kept=keep).play()


def _kept(folder: Path) -> Path:
    there = [name for name in (LOCAL, SANDBOX) if (folder / name).exists()]
    if there:
        raise UsageError(f"{folder} holds a {there[0]} already", hint="choose another folder, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Story:
    """One performance. Every step says what it does and what came of it."""

    def __init__(
        self, workspace: Workspace, troupe: Troupe, sandbox_file: Path, records: int, echo: Echo, *, kept: Path | None
    ) -> None:
        self.workspace = workspace
        self.troupe = troupe
        self.sandbox_file = sandbox_file
        self.effects = Effects(sandbox_file)
        self.records = records
        self.kept = kept
        self.trace = Trace(workspace)
        self.session = Session(workspace.plexus, Random(_SEED), made_by=self.trace.made_by)
        self._echo = echo
        self._step = 0
        self._begun = perf_counter()

    def play(self) -> int:
        """All steps; the exit code."""
        self._echo("syncer demo: a day without network, and how it comes home. Nothing leaves this machine.")
        try:
            self._write_offline()
            self._ask()
            self._sync_offline()
            self._sync_and_kill()
            self._others_write()
            self._sync_again()
            return self._verdict()
        except Broken as exc:
            self._say("", f"The demo broke off: {exc}.", "Verdict: NOT PROVEN.")
            return 1

    def _write_offline(self) -> None:
        self._head("Score calls with the network away")
        self._say(
            f"The file: {self.workspace.path}",
            f"The remotes: {self.troupe.plexus['PREFACTOR_API_URL']}, where nothing listens.",
        )
        started = perf_counter()
        self.session.set_up()
        self.trace.begin([score["name"] for score in self.session.scores])
        self.session.score_calls(self.records)
        self.trace.end()
        took = perf_counter() - started
        count = len(self.session.items)
        self._say(
            f"{count} calls, {self.records} score results, and all that belongs to them: {self.session.writes} writes"
            f" in {took:.1f} s, each safe on disk.",
            f"An agent with {len(self.trace.spans)} spans for Prefactor and {len(self.trace.runs)} runs for ABEJA made them;"
            " each result names its span and its run.",
            f"The evaluation told its progress {PROGRESS} times; that is one change to send, not {PROGRESS + 1}.",
            "",
            "$ syncer status",
        )
        self._show(self._done(self.troupe.run("status")))

    def _ask(self) -> None:
        self._head("Ask the file; it is plain SQL")
        for number, question in enumerate(QUESTIONS):
            self._say(*[""] * min(number, 1), question.words, "", *(f"  {line}" for line in question.sql.splitlines()), "")
            found = self.workspace.query(question.sql)
            self._say(*(f"    {line}" for line in tables.lines(found.columns, found)))

    def _sync_offline(self) -> None:
        self._head("Try to sync anyway")
        before = self._waiting()
        tried = self.troupe.run("sync")
        self._say("$ syncer sync")
        self._show(tried)
        if tried.code != _LATER or self._waiting() != before:
            raise Broken(f"exit code {tried.code} and {self._waiting()} of {before} changes where 4 and all were expected")
        self._say(f"Exit code 4: try later. All {before} changes still wait; nothing is lost.")

    def _sync_and_kill(self) -> None:
        self._head("The network is back, but poor; and the sync is killed in the middle")
        weather = [part for pair in _WEATHER.items() for part in pair]
        settings = self.troupe.sandbox("--port", "0", "--db", str(self.sandbox_file), *weather)
        self.troupe.plexus = {**settings, "PLEXUS_ACCOUNT_KEY": ACCOUNT_KEY}
        waiting = self._waiting()
        self._say(
            f"A stand-in for all three answers at {settings['PREFACTOR_API_URL'].removesuffix('/prefactor')}:"
            f" {_WEATHER['--latency-ms']} ms late, it loses",
            f"{float(_WEATHER['--lose-reply-rate']):.0%} of its replies after doing the work, and throttles"
            f" {float(_WEATHER['--throttle']):.0%} of the requests.",
        )
        third = waiting // 3

        def reached() -> bool:
            return self.effects.applied() >= third and self._count(_CARD_UNSENT) == 0 < self._count(_IN_THE_AIR)

        if not killed_when(self.troupe.start("sync"), reached):
            raise Broken("the sync ended before it could be killed")
        unknown = self._count(_IN_THE_AIR)
        self._say(
            f"$ syncer sync        (kill -9 once a third, {third}, had arrived)",
            f"Upstream has applied {self.effects.applied()} changes. The file still holds {self._waiting()} of {waiting};"
            f" of {unknown} it does not know whether they arrived.",
        )

    def _others_write(self) -> None:
        self._head("Meanwhile")
        with Upstream(self.troupe.plexus) as upstream:
            written = colleague.write(upstream, self.workspace.plexus.models, self.session)
        self._say(
            "A colleague, straight on Plexus: a new description of the scorecard, and a call with"
            f" {written.results} score results.",
        )
        self.session.finish()
        self._say("You, here: the scorecard's guidelines, and the evaluation is completed.")

    def _sync_again(self) -> None:
        self._head("Sync again, to the end")
        for _ in range(_ATTEMPTS):
            done = self.troupe.run("sync")
            self._say("$ syncer sync")
            self._show(done)
            if done.code != _LATER:
                break
        repeated = self._count("SELECT count(*) FROM ledger WHERE attempts > 1")
        card = self.workspace.plexus.get("Scorecard", self.session.scorecard["id"]) or {}
        self._say(
            f"Exit code {done.code}. {repeated} changes had to be sent more than once; step 7 shows that each counts once.",
            "The scorecard, edited on both sides, has both edits:",
            f"  description: {card.get('description')}",
            f"  guidelines:  {card.get('guidelines')}",
            "The question over three platforms has its answer still, now that the runs have the platform's own ids:",
        )
        found = self.workspace.query(QUESTIONS[-1].sql)
        self._say(*(f"    {line}" for line in tables.lines(found.columns, found)))

    def _verdict(self) -> int:
        self._head("Compare both sides")
        found = self._compared()
        rows = [{"model": name, "here": here, "there": there} for name, (here, there) in found.rows.items() if here or there]
        empty = len(found.rows) - len(rows)
        self._say(*(f"  {line}" for line in tables.lines(("model", "here", "there"), rows)))
        self._say(f"  ({empty} more models are empty on both sides.)", "")
        total = sum(here for here, _ in found.rows.values())
        status = self.workspace.status()
        outcomes = ", ".join(f"{n} {outcome}" for outcome, n in sorted(status.ledger.items()))
        before = self.effects.applied()
        again = self.troupe.run("sync")
        sent = self.effects.applied() - before
        requests = self._count(
            "SELECT sum(json_extract(counts, '$.requests'))"
            " FROM (SELECT counts FROM sync_run WHERE kind = 'push' ORDER BY id DESC LIMIT 3)"
        )
        checks = [
            Check(not found.differences, f"row for row: {total} rows, {found.values} values compared", found.differences),
            Check(
                not found.doubled,
                f"nothing doubled: {total} records, each made once by the log of its platform",
                found.doubled,
            ),
            Check(status.pending == 0, f"the outbox is empty ({status.pending} pending)"),
            Check(status.consistent, f"all {status.enqueued} changes are accounted for: {outcomes}"),
            Check(again.code == sent == requests == 0, f"another sync sends nothing (exit code {again.code})", [again.err]),
        ]
        return self._end(judged(checks, self._echo))

    def _compared(self) -> compare.Comparison:
        models = compare.shared(registry.models("plexus").values())
        with Upstream(self.troupe.plexus) as upstream, Reader(self.workspace.path) as local:
            found = compare.compared(models, local, upstream, self.effects)
            found.add(platforms.compared(local, self.troupe.plexus, self.sandbox_file))
            return found

    def _end(self, good: bool) -> int:
        self._say(f"({perf_counter() - self._begun:.1f} s in all)")
        if self.kept is not None:
            local, upstream = quote(str(self.kept / LOCAL)), quote(str(self.sandbox_file))
            self._say(
                "",
                f"Both files are kept in {self.kept}. To look at them:",
                f"  syncer --db {local} status",
                f'  syncer --db {local} query "SELECT * FROM plexus_score_result LIMIT 5"',
                f"  syncer sandbox --db {upstream}",
            )
        return 0 if good else 1

    def _head(self, words: str) -> None:
        self._step += 1
        self._say("", f"{self._step}. {words}", "")

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._echo(line)

    def _show(self, done: Finished) -> None:
        for line in (done.out + done.err).rstrip().splitlines():
            self._echo(f"    {line}".rstrip())

    def _done(self, done: Finished) -> Finished:
        if done.code != 0:
            raise Broken(f"a command ended with exit code {done.code}: {done.err.strip()[-500:]}")
        return done

    def _waiting(self) -> int:
        return self._count("SELECT count(*) FROM outbox")

    def _count(self, sql: str) -> int:
        with Reader(self.workspace.path) as local:
            row = local.one(sql)
        return int(row[0]) if row else 0
