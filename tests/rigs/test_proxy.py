"""R5: a bad network between syncer and each of its remotes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from syncer import clock, ids
from syncer.adapters.plexus.adapter import Plexus
from syncer.http.session import Session
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.rigs import settings
from tests.rigs.days import IMPATIENT_S, START, Days
from tests.rigs.faults import EVERY, Fault
from tests.rigs.platforms import AbejaDays, PlexusDays, PrefactorDays
from tests.rigs.proxy import Proxy

KINDS = {
    "plexus": EVERY,
    "prefactor": EVERY,
    # The platform makes a run of every POST, so that one which the network repeats or brings late makes two.
    "abeja": tuple(kind for kind in EVERY if kind is not Fault.TWICE),
}
DAYS: dict[str, type[Days]] = {"plexus": PlexusDays, "prefactor": PrefactorDays, "abeja": AbejaDays}


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pages, and a client that does not wait half a minute for Prefactor, which has no setting for that."""
    monkeypatch.setattr(Plexus, "limits", replace(Plexus.limits, page=7))
    monkeypatch.setattr("syncer.adapters.prefactor.adapter.Session", partial(Session, timeout_s=(1.0, float(IMPATIENT_S))))
    monkeypatch.setattr("syncer.adapters.prefactor.adapter._LARGEST_PAGE", 7)


@pytest.mark.parametrize("remote", DAYS)
def test_bad_networks_leave_one_effect_of_each_write_and_both_sides_equal(remote: str, tmp_path: Path) -> None:
    """Whatever the network does to single requests: after it, nothing is lost, doubled or waiting [I3, I4, I6, I16, I22]."""
    dealt: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for number in range(settings.scale):
        seed = settings.seed * 1000 + number
        virtual = clock.Virtual(START)
        folder = tmp_path / str(number)
        folder.mkdir()
        with (
            clock.using(virtual),
            ids.seeded(seed),
            Sandbox(Options()) as sandbox,
            Proxy(sandbox.port, seed=seed, virtual=virtual) as proxy,
        ):
            proxy.kinds = KINDS[remote]
            days = DAYS[remote](folder, sandbox, proxy, Random(seed))
            sandbox.abeja.page_size = 5
            try:
                days.storm(12, (0.4, 0.15, 0.6)[number % 3])
                days.drain()
                assert not (faulty := days.faulty()), f"seed {seed}: {faulty}"
                dealt.update(proxy.dealt)
                counts.update(schedules=1, writes=days.written, requests=proxy.count())
            finally:
                days.ws.close()
    settings.tally(f"proxy {remote}", **counts, faults=dealt.total(), kinds=len(dealt), lost=0, doubled=0)
