"""The ugly machine: bytes of the file or its log that are not what was written, and clocks that jump."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.config import Settings
from syncer.errors import DatabaseError, QueryError
from syncer.outbox import ledger
from syncer.sandbox.server import Sandbox
from syncer.store import migrate
from tests.factory import account, result, scoring
from tests.files import rows, write
from tests.rigs.settings import scale, seed, tally
from tests.rigs.writing import ran

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
PAGE = 4096
_TABLES = "('outbox', 'ledger', '_base', '_checkpoint', '_remote_state', 'plexus_account', 'plexus_score_result')"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int], dict[str, str]]:
    """A settled file with writes of several kinds; the pages where its busiest tables begin; ids in it."""
    path = tmp_path_factory.mktemp("sound") / "local.db"
    with Workspace.open(path) as ws:
        ids = scoring(ws)
        for number in range(40):
            ws.plexus.create("ScoreResult", result(ids, value=str(number), metadata={"n": number}))
    roots = [row[0] for row in rows(path, f"SELECT rootpage FROM sqlite_master WHERE name IN {_TABLES}")]
    return path.read_bytes(), roots, ids


def _whole_page(data: bytearray, roots: list[int], random: Random) -> None:
    page = random.choice([*roots, random.randrange(2, len(data) // PAGE)])
    data[(page - 1) * PAGE : page * PAGE] = random.randbytes(PAGE)


def _some_bytes(data: bytearray, roots: list[int], random: Random) -> None:
    page = random.choice(roots)
    for _ in range(random.randrange(1, 60)):
        data[(page - 1) * PAGE + random.randrange(8, PAGE)] = random.randrange(256)


def _texts(data: bytearray, _: list[int], random: Random) -> None:
    for _ in range(5):
        words = random.choice((b'"n":', b"2026", b"pend", b"Score", b"create"))
        at = [i for i in range(len(data) - 8) if data.startswith(words, i)] if random.random() < 0.02 else []
        place = random.choice(at) if at else data.find(words, random.randrange(len(data)))
        if place >= 0:
            data[place + random.randrange(8)] = random.choice(b'{}[]"x\x00\xff\x80-9')


def _cut(data: bytearray, _: list[int], random: Random) -> None:
    del data[random.randrange(101, len(data)) :]


@pytest.mark.parametrize("harm", [_whole_page, _some_bytes, _texts, _cut])
def test_damage_is_an_error_of_ours(
    sound: tuple[bytes, list[int], dict[str, str]], path: Path, harm: Callable[..., None]
) -> None:
    """Whatever bytes are wrong, every call works or says that the file is damaged; none ends in a bug of ours [I1]."""
    data, roots, ids = sound
    told: Counter[str] = Counter()
    for number in range(12 * scale):
        random = Random(f"{seed} {harm.__name__} {number}")
        spoilt = bytearray(data)
        harm(spoilt, roots, random)
        for old in path.parent.glob("local.db*"):
            old.unlink()
        path.write_bytes(spoilt)
        for call in _calls(path, ids):
            try:
                call()
                told["worked"] += 1
            except (DatabaseError, QueryError) as exc:
                told[type(exc).__name__] += 1
            except Exception as exc:
                raise AssertionError(f"seed {seed}, {harm.__name__} {number}: {exc!r}") from exc
    tally("damage", kind=harm.__name__.strip("_"), inputs=12 * scale, **told)


def _calls(path: Path, ids: dict[str, str]) -> Iterator[Callable[[], Any]]:
    yield lambda: migrate.integrity(path)
    try:
        ws = Workspace.open(path)
    except DatabaseError:
        return
    with ws:
        yield lambda: ws.plexus.find("ScoreResult")
        yield lambda: ws.plexus.get("Item", ids["itemId"])
        yield lambda: ws.plexus.update("Item", ids["itemId"], {"text": "new"})
        yield lambda: ws.plexus.create("ScoreResult", result(ids))
        yield lambda: ws.status().as_dict()
        yield lambda: ws.query("SELECT * FROM outbox")


def test_a_damaged_page_is_found_and_named_by_the_command(
    sound: tuple[bytes, list[int], dict[str, str]], path: Path
) -> None:
    """``db check`` ends with 5 and says to restore; commands that meet the page too; nothing is rewritten [I1]."""
    data, roots, _ = sound
    outbox = bytearray(data)
    outbox[(roots[0] - 1) * PAGE : roots[0] * PAGE] = os.urandom(PAGE)
    path.write_bytes(outbox)
    (table,) = rows(path, "SELECT name FROM sqlite_master WHERE rootpage = ?", roots[0])[0]
    for words in (("db", "check"), ("query", f"SELECT * FROM {table}")):
        ended = ran(path, *words)
        assert ended.code == 5, ended
        assert "syncer db restore BACKUP" in ended.said
        assert "Traceback" not in ended.said
    assert path.read_bytes() == bytes(outbox)


@pytest.mark.parametrize("harm", ["middle", "header", "cut", "noise at the end"])
def test_a_damaged_log_leaves_a_sound_file_of_earlier_writes(path: Path, tmp_path: Path, harm: str) -> None:
    """What the log holds before the damage is all there, in order; nothing half written, the ledger closes [I1]."""
    random = Random(seed)
    with Workspace.open(path) as ws:
        ids = [account(ws, key=str(n)) for n in range(60)]
        copy = tmp_path / "copy.db"
        shutil.copy(path, copy)
        data = bytearray(path.with_name("local.db-wal").read_bytes())
    if harm == "middle":
        at = random.randrange(len(data) // 4, len(data) // 2)
        data[at : at + 100] = random.randbytes(100)
    elif harm == "header":
        data[:32] = random.randbytes(32)
    elif harm == "cut":
        del data[len(data) // 2 :]
    else:
        data += random.randbytes(PAGE * 3)
    copy.with_name("copy.db-wal").write_bytes(data)
    with Workspace.open(copy) as ws:
        found = [row["id"] for row in ws.query("SELECT key AS id FROM outbox ORDER BY seq")]
        assert found == ids[: len(found)]
        assert {a["id"] for a in ws.plexus.find("Account")} == set(found)
        assert ws.status().consistent
        account(ws, key="after")
    assert migrate.integrity(copy) == []
    assert harm != "noise at the end" or found == ids


@contextmanager
def at(sandbox: Sandbox, path: Path, moment: datetime) -> Iterator[tuple[Workspace, clock.Virtual]]:
    """The workspace as a program that starts at ``moment`` has it."""
    with clock.using(clock.Virtual(moment)) as virtual:
        environ = {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
        with Workspace(Settings(str(path), environ=environ)) as ws:
            assert isinstance(virtual, clock.Virtual)
            yield ws, virtual


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
@pytest.mark.parametrize("fault", ["lost", "refused", "interrupted"])
def test_a_clock_that_jumps_between_runs_delays_and_doubles_nothing(
    sandbox: Sandbox, path: Path, days: int, fault: str
) -> None:
    """Due times, leases of dead syncs and checkpoints of the old clock stop nothing under the new one [I9 I3 I11]."""
    with at(sandbox, path, START) as (ws, _):
        ids = scoring(ws)
        ws.sync()
        made = ws.plexus.create("ScoreResult", result(ids))["id"]
        if fault == "lost":
            sandbox.faults.lose_next_reply()
        else:
            sandbox.faults.fail_next(503)
        ws.push(wait_s=0)
    if fault == "interrupted":  # by a sync on another machine, of which nobody here can know that it is dead
        until = clock.after(120, START)
        write(path, "UPDATE _remote_state SET lease_owner = 'elsewhere:1', lease_until = ? WHERE remote = 'plexus'", until)
    with at(sandbox, path, START + timedelta(days=days)) as (ws, virtual):
        sandbox.put("ScoreResult", {**(sandbox.get("ScoreResult", made) or {}), **result(ids), "id": "theirs"})
        report = ws.sync()
        assert (report.exit_code, sum(virtual.slept) < 60) == (0, True)
        assert len(sandbox.effects("ScoreResult", "create")) == 1
        assert ws.plexus.get("ScoreResult", "theirs") is not None
        assert ws.status().consistent
        assert ws.push().requests == 0


def test_a_wait_the_remote_asked_for_outlives_a_clock_set_back(sandbox: Sandbox, path: Path) -> None:
    """Of five minutes asked for, those that are left are waited under the new clock, not a day and not none [I10 I9]."""
    with at(sandbox, path, START) as (ws, _):
        account(ws)
        sandbox.faults.fail_next(429, headers={"Retry-After": "300"})
        ws.push(wait_s=0)
    earlier = START - timedelta(days=1)
    for seconds, acked in ((0, 0), (200, 0), (290, 0), (301, 1)):
        with at(sandbox, path, earlier + timedelta(seconds=seconds)) as (ws, _):
            assert ws.push("plexus", wait_s=0).acked == acked, seconds
    runs = rows(path, "SELECT outcome, counts FROM sync_run WHERE kind = 'clock' AND remote = 'plexus'")
    assert runs == [("set-back", '{"seconds": 86400}')]


@pytest.mark.parametrize(("moment", "words"), [(LAST, "plan"), (FIRST, "prune")])
def test_a_clock_at_the_end_of_the_calendar_stops_nothing(
    sandbox: Sandbox, path: Path, moment: datetime, words: str
) -> None:
    """Leases, due times and ages beyond the first or last year are held at it: writing, looking and sending work [I9]."""
    with at(sandbox, path, moment) as (ws, _):
        account(ws)
        if words == "plan":
            assert len(ws.plan("plexus").changes) == 1
        else:
            assert ledger.prune(ws.database, clock.after(-86_400.0)).total == 0
        assert ws.push("plexus", wait_s=0).acked == 1
        assert ws.status().consistent
