"""R10, the file: programs write while their own code, other libraries, scripts and people do to it what is done to files.

Each write is noted outside the database before it is asked for and after it was answered; at the end the file is opened as
another program would: what was accepted is there once, row and change; what was refused is not; of what is "not known" or
was cut off by Ctrl-C or SIGKILL the whole is there, or nothing; nobody hangs; no file of the user's holds our bytes [I33].

The long profile: ``SYNCER_RIG=10 SYNCER_RIG_SEED=7 python -m pytest tests/rigs/test_file.py -s``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncer import Workspace
from tests.rigs import settings
from tests.rigs.file_acts import ACTS, DAYS, LOSSES, POSSIBLE, THEFTS, log_of
from tests.rigs.file_site import Hand, House, Site, Verdict, sited
from tests.rigs.world import pause
from tests.rigs.writing import confined, environment

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="finds descriptors through /proc")

TIMES = 50
ACCEPTED = 10_000
RAW = 0.0005
"""The largest part of all writes that may be refused by an error that is none of ours: a page that was cut away may be read
as anything. Elsewhere there is none."""
UNKNOWN = 0.02
"""The largest part of all writes that may end as "not known": else saying so would be a way out."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Where programs come from."""
    with House(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with our schema."""
    path = tmp_path_factory.mktemp("content") / "new.db"
    with Workspace.open(path):
        pass
    return path.read_bytes()


@pytest.fixture
def site(house: House, content: bytes, tmp_path: Path) -> Iterator[Site]:
    """A file that no program has open yet."""
    with sited(house, tmp_path / "site", content, settings.seed) as made:
        yield made


def kept(site: Site, *, kill: bool = False) -> Verdict:
    """All programs end; every promise was kept."""
    verdict = site.end(kill=kill)
    assert verdict.clean, str(verdict)
    assert not verdict.raw, str(verdict)
    return verdict


# row 1 and 2: the locks of the process are gone


@pytest.mark.parametrize("act", ["read-db", "copy", "hash", "apsw"])
def test_a_program_that_reads_its_own_file_loses_nothing(site: Site, act: str) -> None:
    """The locks are gone, another program ends as if it were the last: what is written then is in the file [I33]."""
    one = site.program()
    one("write", 5)
    for _ in range(3):
        assert site.ordered(one, act)
        site.brief(10)
        one("write", 10)
    assert kept(site).accepted >= 60


@pytest.mark.parametrize("act", ["read-db", "copy", "hash", "apsw"])
def test_what_follows_a_lost_lock_survives_a_kill(site: Site, act: str) -> None:
    """Nothing is left to be folded in by who closes: the log that a killed program leaves is the one of the file [I33]."""
    one = site.program()
    one("write", 5)
    assert site.ordered(one, act)
    site.brief(1)
    one("write", 5)
    assert kept(site, kill=True).accepted >= 10


@pytest.mark.parametrize(
    ("act", "other"),
    [("read-db", "visit"), ("copy", "visit"), ("apsw", "visit"), ("apsw", "brief"), ("read-shm", "brief")],
)
def test_a_lock_lost_inside_a_transaction_lets_nobody_commit_over_another(site: Site, act: str, other: str) -> None:
    """Others write, or fold the log in and take it away, while we think we hold it: one of both is refused [I33]."""
    one = site.program()
    one("write", 5)
    one.send("inside", act, "wait")
    assert one.answer() == {"middle": True}
    _meanwhile(site, one, other)
    one("write", 5)
    site.visit()
    one("write", 5)
    assert kept(site, kill=True).accepted >= 12


def _meanwhile(site: Site, one: Hand, other: str) -> None:
    """Another program comes while ``one`` stands inside a transaction; if it writes, it waits for the end of that."""
    if other == "visit":
        site.visit()
        one.send("go")
        one.answer()
        return
    hand = site.program()
    hand("open")
    hand.send("write", 5)
    one.send("go")
    one.answer()
    hand.answer()
    site.leave(hand)


# row 3: descriptors


@pytest.mark.parametrize("where", ["between", "inside visit"])
def test_closed_descriptors_become_nobody_elses_log(site: Site, where: str) -> None:
    """Housekeeping closes ours, the user's files get their numbers: these stay as they are, the program says so [I33]."""
    one = site.program()
    one("write", 5)
    if where == "between":
        assert site.ordered(one, "closed")
        site.brief(5)
    else:
        one.send("inside", "closed", "wait")
        assert one.answer() == {"middle": True}
        _meanwhile(site, one, where.split()[1])
    assert one("write", 10) == {"no": 10}
    site.visit()
    site.program()("write", 10)
    assert kept(site, kill=True).accepted >= 15


# row 4: one file, two names


def test_a_file_with_two_names_is_not_opened(site: Site) -> None:
    """Another name has another log: opening by either is refused, with exit 5, and goes on when the link is gone [I33]."""
    site.brief(5)
    other = site.path.with_name("other.db")
    os.link(site.path, other)
    for path in (site.path, other):
        said = site.brief(5, path=path)
        assert (said.get("refused"), said.get("exit")) == ("UnsafeLocation", 5), (path.name, said)
    assert site.command("status") == 5
    other.unlink()
    assert site.brief(5)["ok"] == 5
    assert kept(site).accepted == 10


def test_a_name_that_is_added_while_open_refuses_no_write(site: Site) -> None:
    """Who has the file open goes on under the name that it has; who comes by the new one is refused [I33]."""
    one = site.program()
    one("write", 5)
    other = site.path.with_name("other.db")
    os.link(site.path, other)
    said = [site.brief(10, path=other)]
    assert one("write", 20) == {"ok": 20}
    said.append(site.brief(10, path=other))
    other.unlink()
    assert kept(site).accepted >= 25
    assert [one.get("refused") for one in said] == ["UnsafeLocation"] * 2


# row 5: the log, the shared memory


def _begun(site: Site) -> Any:
    one = site.program()
    one("write", 10)
    site.remember()
    one("write", 15)
    return one


@pytest.mark.parametrize("act", [act.name for act in LOSSES])
def test_a_file_beside_that_goes_away_takes_no_write_along(site: Site, act: str) -> None:
    """Deleted, renamed, replaced while open: what was accepted before and is accepted after survives a kill [I33]."""
    one = _begun(site)
    assert site.act(act)
    one("write", 15)
    one("settle")
    site.brief(10)
    one("write", 15)
    one("settle")
    assert kept(site, kill=True).accepted >= 40


@pytest.mark.parametrize("act", [act.name for act in LOSSES])
def test_a_file_beside_that_goes_away_inside_a_transaction(site: Site, act: str) -> None:
    """Between the begin and the commit: the transaction is stored or refused as a whole, nothing else is lost [I33]."""
    one = _begun(site)
    one("inside", act)
    one("settle")
    site.brief(5)
    one("write", 5)
    one("settle")
    assert kept(site, kill=True).accepted >= 30


@pytest.mark.parametrize("act", [act.name for act in LOSSES])
def test_a_file_beside_that_goes_away_of_one_of_two_programs(site: Site, act: str) -> None:
    """Each of two programs finds out by itself, one after the other, and neither undoes what the other has saved [I33]."""
    one, two = _begun(site), site.program()
    two("write", 10)
    assert site.act(act)
    for hand in (one, two, one, two):
        hand("write", 5)
        hand("settle")
    site.visit()
    site.settle()
    assert kept(site, kill=True).accepted >= 50


@pytest.mark.parametrize("how", ["close", "fork"])
@pytest.mark.parametrize("act", ["unlink-wal", "unlink-both", "empty-wal", "rename-wal"])
def test_closing_saves_what_a_lost_log_held(site: Site, act: str, how: str) -> None:
    """No write comes after the act: closing, or a fork, which closes too, leaves what was accepted in the file [I33]."""
    one = _begun(site)
    assert site.act(act)
    one(*(("close",) if how == "close" else ("act", "fork")))
    site.visit()
    assert kept(site, kill=True).accepted >= 25


def test_what_is_written_after_the_log_was_cut_is_there(site: Site) -> None:
    """What only the log held went with its bytes; but nobody writes on behind the hole as if nothing were [I33]."""
    one = _begun(site)
    assert site.act("cut-wal")
    one("write", 15)
    one("settle")
    site.brief(10)
    one("write", 15)
    one("settle")
    assert kept(site, kill=True).accepted >= 30


# row 8 and 10: interrupts, threads, readers


@pytest.mark.parametrize("how", ["read", "query"])
def test_an_interrupt_while_a_fork_waits_costs_nothing(site: Site, how: str) -> None:
    """Parent and child write and read on, whoever closes first: nothing is lost, nothing hangs [I33]."""
    one = site.program()
    one("write", 5)
    answer = one("fork_waiting", how)
    assert not answer["hangs"], answer
    assert (answer.get("child", 0), answer.get("closing_hangs", False)) == (0, False), answer
    kept(site, kill=True)


@pytest.mark.parametrize("what", ["close", "status", "query"])
def test_an_interrupt_anywhere_leaves_a_workspace_that_works(site: Site, what: str) -> None:
    """Behind calls into C of it, one after the other: writes and reads go on, a fork is soon over [I33]."""
    one = site.program()
    answer = one("cut", what, 1 if settings.scale > 1 else 10)
    assert "times" in answer, answer
    kept(site, kill=True)


def test_threads_that_make_a_file_at_once_lose_nothing(house: House, tmp_path: Path) -> None:
    """The one that is overtaken while it makes the file takes no lock away from the others [I33]."""
    with sited(house, tmp_path / "site", b"", settings.seed) as site:
        one = site.program()
        assert one("race", "open") == {"opened": 3}
        site.visit()
        one("race_on")
        site.visit()
        one("race_on")
        assert kept(site, kill=True).accepted >= 30  # one of three may be refused while it makes the file


_ASK = """
import sys
from syncer import Workspace
from syncer.errors import SyncerError
ws = Workspace.open(sys.argv[1])
sys.stdout.write("ready\\n")
sys.stdout.flush()
slow = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT max(i + a.rowid) FROM n) > 0"
try:
    names = {row["n"] for row in ws.query(f"SELECT substr(a.name, 1, 3) AS n FROM plexus_account a WHERE {slow}")}
    sys.stdout.write(" ".join(sorted(names)))
except SyncerError as exc:
    sys.stdout.write(f"refused {exc.code}")
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_a_reader_in_a_read_only_folder_sees_one_time(path: Path) -> None:
    """Another user's writer comes while the reader is at it: all rows are of one time, or an error is told [I33]."""
    with Workspace.open(path) as ws:
        ids = [ws.plexus.create("Account", {"name": f"old{'x' * 2000}", "key": str(n)})["id"] for n in range(500)]
    path.parent.chmod(0o555)
    try:
        reader = subprocess.Popen(
            confined(sys.executable, "-c", _ASK, str(path)), env=environment(path), stdout=subprocess.PIPE, text=True
        )
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        pause(0.05)
        with Workspace.open(path) as ws, ws.plexus.transaction() as unit:
            for each in ids:
                unit.update("Account", each, {"name": f"new{'y' * 2000}"})
        assert reader.poll() is None, "the writer came too late"
        said = reader.communicate(timeout=30)[0]
    finally:
        path.parent.chmod(0o700)
    assert said in ("old", "new") or said.startswith("refused"), said


# a disk that fails

_CC = shutil.which("cc")


def with_compiler(test: Any) -> Any:
    """Made only where SYNCER_RIG asks for the long form and there is a compiler: the gate needs none."""
    return test if settings.scale > 1 and _CC is not None else None


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose programs can be told which calls of the C library shall fail."""
    folder = tmp_path_factory.mktemp("failing")
    shim = folder / "shim.so"
    source = Path(__file__).with_name("file_shim.c")
    subprocess.run([_CC or "cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", shim, source, "-ldl", "-lpthread"], check=True)
    with House(folder, extra={"LD_PRELOAD": str(shim)}) as made:
        yield made


def failed_within(hand: Any, plan: str, *calls: tuple[object, ...]) -> bool:
    """Let the disk fail as planned while it does as told; whether it came to that."""
    hand("fail", *plan.split())
    failed = False
    for call in calls:
        hand(*call)
        failed = hand("failed")["failed"] > 0
        if failed:
            break
    hand("fail", "none")
    return failed


WRITE, CLOSE = ("write", 1), ("close",)
FAILING = {
    "fsync -wal": [WRITE] * 10,
    "pwrite -wal": [WRITE] * 10,
    "pwrite .db": [WRITE, CLOSE],
    "fsync .db": [WRITE, CLOSE],
} | {f"{call} -shm": [CLOSE, WRITE] for call in ("pwrite", "ftruncate")}
"""When each call happens: in commits, in the checkpoint at the end, at opening."""


@with_compiler
@pytest.mark.parametrize("kill", [True, False])
@pytest.mark.parametrize(
    "plan", ["fsync -wal 1 1", "fsync -wal 3 2", "pwrite -wal 1 1", "pwrite -wal 4 1", "pwrite -wal 5 3"]
)
def test_what_a_failing_disk_refused_does_not_come_back(
    failing: House, content: bytes, tmp_path: Path, plan: str, kill: bool
) -> None:
    """A commit that failed half way is made certain, or told as not known: recovery brings back nothing refused [I33]."""
    with sited(failing, tmp_path / "site", content, settings.seed, durability="full") as site:
        one = site.program()
        one("write", 5)
        assert failed_within(one, plan, *[WRITE] * 40)
        if kill:
            site.kill(one)
            one = site.program()
        one("settle")
        one("write", 5)
        assert kept(site, kill=kill).accepted >= 10


def failures(times: int) -> Round:
    """One or two programs on a disk that fails now and then; often they are killed over it, and others recover."""

    def live(site: Site) -> Verdict:
        programs = site.random.choice([1, 1, 2])
        for _ in range(times):
            one = site.random.choice(site.hands or [site.program() for _ in range(programs)])
            kind = site.random.choice([*FAILING, "fsync -wal", "pwrite -wal"])
            nth, many = site.random.randint(1, 9 if "wal" in kind else 2), site.random.randint(1, 3)
            site.counts[kind] += failed_within(one, f"{kind} {nth} {many}", *FAILING[kind])
            if site.random.random() < 0.4:
                for hand in list(site.hands):
                    site.kill(hand)
            site.settle()
        return site.end(kill=site.random.random() < 0.5)

    return live


@with_compiler
def test_a_disk_that_fails_now_and_then_loses_and_doubles_nothing(failing: House, content: bytes, tmp_path: Path) -> None:
    """fsync, pwrite and ftruncate of each of the files fail at any call; kills come in between [I33]."""
    words, counts = Counter[str](), Counter[str]()
    for number in range(3 * settings.scale):
        name = f"{number}"
        durability = ("full", "normal")[number % 2]
        with sited(failing, tmp_path / name, content, settings.seed + number, durability=durability) as site:
            verdict = failures(20)(site)
            words, counts = words + verdict.words, counts + site.counts
            assert verdict.clean, f"seed {settings.seed}, round {number}: {verdict}"
    told = {name.replace("-", "").replace(" ", "_").replace(".", ""): n for name, n in sorted(counts.items())}
    settings.tally("file on a failing disk", **{f"said_{w}": n for w, n in sorted(words.items())}, **told, lost=0)
    assert set(FAILING) <= set(+counts)


# everything at random


Round = Callable[[Site], Verdict]


def soup(times: int) -> Round:
    """Three programs with threads, everything that takes no file away, others that come and go, kills."""

    def live(site: Site) -> Verdict:
        for _ in range(3):
            site.program(threads=2)
        own = [act.name for act in (*THEFTS, *DAYS)] + ["closed", "link"]
        due = [*own, "inside", "kill", "status", "outbox", "brief"] * times
        site.random.shuffle(due)
        for name in due:
            _met(site, name)
        site.settle()
        for hand in site.hands:
            hand("write", 1000)
        return site.end(kill=site.random.random() < 0.5)

    return live


def _met(site: Site, name: str) -> None:
    """Something happens to the programs."""
    hand = site.random.choice(site.hands)
    if name == "kill":
        site.kill(hand)
        site.program(threads=2)
    elif name == "status":
        site.command("status")
    elif name == "outbox":
        site.command("outbox", "list")
    elif name == "brief":
        site.brief(3)
    elif name == "inside":
        act = site.random.choice([act.name for act in THEFTS])
        site.counts["inside"] += site.ordered(hand, act, "inside")
    else:
        _until_done(site, lambda: site.ordered(hand, name))
        if name == "closed":  # it cannot write any more, and says so
            hand("write", 3)
            site.kill(hand)
            site.program(threads=2)


def _until_done(site: Site, act: Callable[[], bool]) -> bool:
    """Do it once there is something to do it to; what never comes is missed when the acts are counted."""
    for _ in range(10):
        if act():
            return True
        site.settle()
    return False


def losses(name: str, times: int) -> Round:
    """Two programs with threads; again and again something is taken away, and each has to notice before others come."""

    def live(site: Site) -> Verdict:
        site.brief(20)
        for _ in range(2):
            site.program(threads=2)
        site.settle()
        for _ in range(times):
            if site.random.random() < 0.5:
                site.remember()
            pause(0.004 * site.random.random())
            if not _until_done(site, lambda: _can(site, name) and site.act(name)):
                break
            site.settle()
            if site.random.random() < 0.3:
                site.random.choice([site.visit, lambda: site.brief(3)])()
        return site.end(kill=site.random.random() < 0.5)

    return live


def _can(site: Site, name: str) -> bool:
    """Whether there is an old copy to bring back."""
    if name.startswith("old") and not (site.aside / f"old{log_of(site.path).name}").exists():
        site.remember()
    return True


def storm(times: int) -> Round:
    """Everything together: files go away under programs that have lost their locks, fork and are killed."""

    def live(site: Site) -> Verdict:
        for _ in range(3):
            site.program(threads=2)
        site.settle()
        site.remember()
        due = [act.name for act in (*THEFTS, *DAYS, *LOSSES)] + ["closed", "link", "kill", "brief", "status"]
        for name in site.random.choices(due, k=times):
            if ACTS.get(name) in LOSSES:
                _until_done(site, lambda name=name: site.act(name))  # type: ignore[misc]
                site.settle()
            else:
                _met(site, name)
        site.settle()
        return site.end()

    return live


def small_disk(times: int) -> Round:
    """A small disk, which somebody fills again and again."""

    def live(site: Site) -> Verdict:
        one = site.program(threads=2)
        for _ in range(times):
            _until_done(site, lambda: site.ordered(one, "full-disk"))
            one("close")
            site.settle()
        return site.end()

    return live


_CAN_MOUNT = (
    shutil.which("unshare") is not None
    and not subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"], capture_output=True, check=False
    ).returncode
)


@dataclass
class Part:
    """A round, and where its programs come from."""

    name: str
    live: Round
    house: House


def _parts(random: Random, house: House, small: House | None) -> list[Part]:
    scale = settings.scale
    taken = [act.name for act in LOSSES] + ["cut-wal", "restore"]
    rounds = [Part(name, losses(name, TIMES // 5), house) for name in taken for _ in range(5 * scale)]
    rounds += [Part("storm", storm(40), house) for _ in range(2 * scale)]
    random.shuffle(rounds)
    first = [Part("soup", soup(TIMES // 2), house) for _ in range(2 * scale)]
    return [*first, *([Part("small-disk", small_disk(TIMES * scale), small)] if small else []), *rounds]


def _lived(part: Part, folder: Path, content: bytes, seed: int) -> tuple[str, Verdict | str, Counter[str]]:
    """A round; what came of it, and how often each act was done."""
    with sited(part.house, folder, content, seed) as site:
        try:
            return part.name, part.live(site), site.counts
        except AssertionError as exc:
            return part.name, str(exc), site.counts
        finally:
            shutil.rmtree(site.path.parent, ignore_errors=True)


def test_what_is_accepted_is_in_the_file_whatever_is_done_to_it(house: House, content: bytes, tmp_path: Path) -> None:
    """10,000 accepted writes, each kind of act 50 times: nothing lost, nothing doubled, nothing refused came back [I33]."""
    total, counts, bad = Verdict(), Counter[str](), []
    with ExitStack() as stack:
        disk = tmp_path / "small" / "place"
        disk.mkdir(parents=True)
        small = stack.enter_context(House.with_small_disk(tmp_path / "other", disk)) if _CAN_MOUNT else None
        parts = _parts(Random(settings.seed), house, small)
        folders = [tmp_path / ("small" if part.house is small else f"{n}-{part.name}") for n, part in enumerate(parts)]
        pool = stack.enter_context(ThreadPoolExecutor(3))
        seeds = range(settings.seed, settings.seed + len(parts))
        for name, verdict, counted in pool.map(_lived, parts, folders, repeat(content), seeds):
            counts += counted
            if isinstance(verdict, Verdict):
                total.words += verdict.words
                total.lost += verdict.lost
                total.doubled += verdict.doubled
                total.raw += verdict.raw
            if isinstance(verdict, str) or not verdict.clean:
                bad.append(f"{name}: {verdict}"[:1500])
    told = {f"said_{word}": n for word, n in sorted(total.words.items())} | dict(sorted(counts.items()))
    told = {name.replace("-", "_").replace(" ", "_"): n for name, n in told.items()}
    settings.tally("file", writes=total.tried, **told, raw=len(total.raw), lost=len(total.lost), doubled=len(total.doubled))
    assert not bad, f"seed {settings.seed}: {len(bad)} of {len(parts)} rounds\n" + "\n".join(bad)
    expected = {*ACTS, "inside", "kill", "brief", "status", "outbox list"} - ({"full-disk"} if small is None else set())
    assert {name: counts[name] for name in expected if counts[name] < TIMES * settings.scale} == {}
    assert total.accepted >= ACCEPTED * settings.scale
    assert len(total.raw) <= RAW * total.tried, total.raw
    assert total.words["unknown"] <= UNKNOWN * total.tried
