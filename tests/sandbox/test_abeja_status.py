"""How an ABEJA run moves on: by hand, or with time."""

from __future__ import annotations

from contextlib import closing

import pytest
from freezegun import freeze_time

from syncer.errors import InvalidInput, RecordNotFound
from syncer.sandbox import Options, Sandbox
from tests.sandbox.rest import AbejaCaller


def test_a_run_moves_on_by_hand(abeja, sandbox):
    """Step by step to the end, where it stays; the time of the change moves."""
    run = abeja.create().json["run_id"]
    with freeze_time("2030-01-01T00:00:00Z"):
        statuses = [sandbox.abeja.advance(run)["status"] for _ in range(5)]
    assert statuses == ["PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    read = abeja.get(f"/{run}").json
    assert (read["status"], read["modified_at"]) == ("SUCCEEDED", "2030-01-01T00:00:00.000000Z")
    with pytest.raises(InvalidInput, match="SUCCEEDED"):
        sandbox.abeja.advance(run)
    with pytest.raises(RecordNotFound):
        sandbox.abeja.advance("run-0")


def test_a_run_can_fail_and_be_tried_again(sandbox):
    """Failing is always possible; going back only from RUNNING with retries left."""
    again = sandbox.abeja.put(status="RUNNING", retry_count=1)["run_id"]
    assert sandbox.abeja.advance(again, "SUBMITTED")["status"] == "SUBMITTED"
    with pytest.raises(InvalidInput):
        sandbox.abeja.advance(again, "SUBMITTED")
    once = sandbox.abeja.put(status="RUNNING", retry_count=0)["run_id"]
    for status in ("SUBMITTED", "DANCING"):
        with pytest.raises(InvalidInput):
            sandbox.abeja.advance(once, status)
    assert sandbox.abeja.advance(once, "FAILED")["status"] == "FAILED"


def test_time_can_move_runs_on():
    """With a step set, a run moves on by itself, never back, and not out of a terminal status."""
    with Sandbox(Options(abeja_step_s=10)) as running, closing(AbejaCaller(running)) as caller:
        with freeze_time("2026-01-01T00:00:00Z"):
            run, stopped = (caller.create().json["run_id"] for _ in range(2))
            running.abeja.advance(run, "RUNNABLE")
            running.abeja.advance(stopped, "FAILED")
        with freeze_time("2026-01-01T00:00:10Z"):
            assert caller.get(f"/{run}").json["status"] == "RUNNABLE"
        with freeze_time("2026-01-01T01:00:00Z"):
            done = caller.get(f"/{run}").json
            assert caller.get(f"/{stopped}").json["status"] == "FAILED"
        assert (done["status"], done["modified_at"]) == ("SUCCEEDED", "2026-01-01T00:00:50.000000Z")
