"""Which account, scorecard and score a client means: by key, external id or name, in that order, where they belong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.plexus.resolution import Resolution
from tests.factory import account

Card = Callable[..., str]


@pytest.fixture
def card(ws: Workspace) -> Card:
    """Makes a scorecard of account ``accountId`` with one score."""

    def make(score: dict[str, Any] | None = None, **fields: Any) -> str:
        made = str(ws.plexus.create("Scorecard", {"name": "Card", "key": "card", **fields})["id"])
        section = ws.plexus.create("ScorecardSection", {"name": "All", "order": 1, "scorecardId": made})["id"]
        where = {"sectionId": section, "scorecardId": made, "order": 1, "type": "LLM", "externalId": "x", "name": "Tone"}
        ws.plexus.create("Score", {**where, **(score or {})})
        return made

    return make


def of(ws: Workspace, **context: Any) -> Resolution:
    """The resolution of a client with this context."""
    return PlexusDashboardClient(context=ClientContext(**context), workspace=ws)._resolution


def test_ids_of_the_context_win(ws: Workspace) -> None:
    """Ids need no look-up, whatever keys and names stand beside them."""
    found = of(
        ws,
        account_id="a",
        account_key="k",
        scorecard_id="c",
        scorecard_key="no",
        score_id="s",
        score_name="no",
    )
    assert (found.account_id(), found.scorecard_id(), found.score_id()) == ("a", "c", "s")


def test_key_goes_before_external_id_before_name(ws: Workspace, card: Card) -> None:
    """One word that three scorecards carry in three fields means the one whose key it is, then the external id."""
    lab = account(ws)
    named = card(accountId=lab, name="word", key="a")
    external = card(accountId=lab, externalId="word", key="b")
    assert of(ws, account_id=lab).scorecard_id("word") == external
    keyed = card(accountId=lab, key="word")
    assert of(ws, account_id=lab).scorecard_id("word") == keyed
    assert of(ws, account_id=lab).scorecard_id("a") == named


def test_a_scorecard_of_another_account_is_not_taken(ws: Workspace, card: Card) -> None:
    """Two accounts may use the same key; the client's own is meant."""
    lab, other = account(ws), account(ws, key="other")
    card(accountId=other)
    with pytest.raises(RecordNotFound, match="'card'"):
        of(ws, account_key="lab").scorecard_id("card")
    mine = card(accountId=lab)
    assert of(ws, account_key="lab").scorecard_id("card") == mine


def test_scores_are_looked_for_on_their_scorecard(ws: Workspace, card: Card) -> None:
    """Two scorecards may have a score of the same name."""
    lab = account(ws)
    one, two = card(accountId=lab), card(accountId=lab, key="second")
    scores = {row["scorecardId"]: row["id"] for row in ws.plexus.find("Score")}
    found = of(ws, account_id=lab, scorecard_key="second")
    assert found.score_id("Tone") == scores[two]
    assert found.score_id("Tone", one) == scores[one]
    assert of(ws, account_id=lab, scorecard_id=one, score_name="Tone").score_id() == scores[one]


def test_a_score_of_the_context_is_not_taken_for_another_scorecard(ws: Workspace, card: Card) -> None:
    """A call for another scorecard does not get the context's score by accident."""
    lab = account(ws)
    one, two = card(accountId=lab), card(accountId=lab, key="second")
    found = of(ws, account_id=lab, scorecard_id=one, score_id="its score")
    assert found.score_id(None, one) == "its score"
    assert found.score_id(None, two) is None
    assert found.score_id("x", two) is not None


def test_what_is_missing_is_looked_for_again(ws: Workspace, card: Card) -> None:
    """A miss is not remembered: a pull may bring the record while the program runs. A hit is."""
    found = of(ws, account_key="lab", scorecard_key="card")
    with pytest.raises(RecordNotFound, match="lab"):
        found.account_id()
    lab = account(ws)
    with pytest.raises(RecordNotFound, match="card"):
        found.scorecard_id()
    made = card(accountId=lab)
    assert found.scorecard_id() == made
    ws.plexus.update("Scorecard", made, {"key": "renamed"})
    assert found.scorecard_id() == made


def test_every_error_is_a_value_error_and_says_what_to_pull(ws: Workspace) -> None:
    """Programs that caught ValueError go on doing so."""
    lab = account(ws)
    for look, model in (
        (lambda: of(ws, account_key="no").account_id(), "Account"),
        (lambda: of(ws, account_id=lab).scorecard_id("no"), "Scorecard"),
        (lambda: of(ws, account_id=lab, scorecard_id="c").score_id("no"), "Score"),
    ):
        with pytest.raises(ValueError, match=model) as caught:
            look()
        assert isinstance(caught.value, RecordNotFound)
        assert str(caught.value.hint).endswith(f"syncer pull plexus --model {model}")


def test_nothing_named_is_nothing_found(ws: Workspace) -> None:
    """Without a name there is None, for an account an error, and a score's name needs a scorecard."""
    found = of(ws)
    assert found.scorecard_id() is None
    assert found.score_id() is None
    with pytest.raises(InvalidInput, match="account"):
        found.account_id()
    with pytest.raises(InvalidInput, match="scorecard"):
        found.score_id("Tone")


def test_the_account_of_the_settings_is_the_last_resort(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLEXUS_ACCOUNT_KEY counts where the context names no account."""
    lab, other = account(ws), account(ws, key="other")
    monkeypatch.setenv("PLEXUS_ACCOUNT_KEY", "other")
    with Workspace.open(ws.path) as configured:
        assert of(configured).account_id() == other
        assert of(configured, account_key="lab").account_id() == lab


def test_an_ambiguous_name_is_said(ws: Workspace, card: Card, caplog: pytest.LogCaptureFixture) -> None:
    """Of several with one key the oldest is taken, every time, with a warning."""
    lab = account(ws)
    with clock.using(clock.Virtual(datetime(2026, 3, 4, tzinfo=UTC))) as virtual:
        made = []
        for _ in range(4):
            made.append(card(accountId=lab))
            virtual.sleep(1)
    assert {of(ws, account_id=lab).scorecard_id("card") for _ in range(3)} == {made[0]}
    assert "several Scorecard" in caplog.text


def test_external_ids_may_be_given_as_numbers(ws: Workspace, card: Card) -> None:
    """Programs hold them as they like."""
    lab = account(ws)
    made = card(accountId=lab, externalId="1438")
    assert of(ws, account_id=lab).scorecard_id(1438) == made  # type: ignore[arg-type]
