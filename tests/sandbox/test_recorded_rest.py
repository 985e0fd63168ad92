"""The sandbox against every request that the original REST clients were recorded to send."""

from __future__ import annotations

import pytest

from tests.sandbox.recorded import ABEJA_REFUSED, PREFACTOR_REFUSED, label, recorded, replay_abeja, replay_prefactor


@pytest.mark.parametrize("case", recorded("prefactor"), ids=label)
def test_recorded_prefactor_requests_are_answered_as_documented(case):
    """Valid requests are accepted and answered in form, invalid ones refused; keys make repeats one effect."""
    replay_prefactor(case)


@pytest.mark.parametrize("case", recorded("abeja"), ids=label)
def test_recorded_abeja_requests_are_answered_as_documented(case):
    """Valid requests are accepted and answered in form, invalid ones refused; every applied POST is a run."""
    replay_abeja(case)


def test_the_recordings_hold_what_they_are_known_for():
    """Every line is replayed: nothing is lost between the file and the cases."""
    assert sum(map(len, recorded("prefactor"))) == 220
    assert sum(map(len, recorded("abeja"))) == 81
    assert PREFACTOR_REFUSED.keys() <= {case[0]["case"] for case in recorded("prefactor")}
    assert ABEJA_REFUSED.keys() <= {case[0]["case"] for case in recorded("abeja")}
