"""The client: durable at once, online never, filled from its context."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.plexus.models import ScoreResult
from syncer.sandbox.server import Sandbox
from tests.factory import account, scoring
from tests.files import rows


def client_of(ws: Workspace) -> PlexusDashboardClient:
    """A client for the score that :func:`scoring` makes."""
    return PlexusDashboardClient.for_scorecard("lab", "quality", "Tone", workspace=ws)


def test_it_stands_without_credentials_and_looks_nothing_up(ws: Workspace) -> None:
    """Construction asks nobody: not the network, not the file."""
    for client in (
        PlexusDashboardClient(workspace=ws),
        PlexusDashboardClient.for_account("nobody's", workspace=ws),
        PlexusDashboardClient.for_scorecard("nobody's", "no card", "no score", workspace=ws),
    ):
        assert (client.api_url, client.api_key, client.auth_mode, client.api_region) == (None, None, "api_key", None)
    assert client.context == ClientContext(account_key="nobody's", scorecard_key="no card", score_name="no score")


def test_the_environment_s_workspace_is_the_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``PlexusDashboardClient()`` stands on the file that the environment names."""
    monkeypatch.setenv("SYNCER_DB", str(path))
    client = PlexusDashboardClient()
    assert client.workspace.path == path
    client.workspace.close()


def test_settings_are_seen_and_the_key_is_not(synced: Workspace, sandbox: Sandbox) -> None:
    """Address and key come from the settings or the constructor; no repr shows the key."""
    client = PlexusDashboardClient(workspace=synced)
    assert (client.api_url, client.api_key) == (sandbox.url, sandbox.settings["PLEXUS_API_KEY"])
    own = PlexusDashboardClient("https://own.example/graphql", "da2-own", workspace=synced)
    assert (own.api_url, own.api_key) == ("https://own.example/graphql", "da2-own")
    assert "da2-own" not in repr(own)
    aws = PlexusDashboardClient("https://abc.appsync-api.eu-west-1.amazonaws.com/graphql", "k", workspace=synced)
    assert (aws.api_region, own.api_region) == ("eu-west-1", None)
    assert str(client.api_key) not in repr(client)


def test_it_is_its_own_context_manager(ws: Workspace) -> None:
    """Entering gives the client, leaving suppresses nothing, and it can be used after."""
    ids = scoring(ws)
    with client_of(ws) as client:
        assert client.client is client
    with pytest.raises(RecordNotFound), client as same:
        same.Account.get_by_id("nothing")
    client.log_score(1.0, ids["itemId"])
    assert len(ws.plexus.find("ScoreResult")) == 1


def test_a_logged_score_is_durable_and_filled_from_the_context(ws: Workspace, path: Path) -> None:
    """At any batch settings the row and its change are in the file when the call returns, and None comes back."""
    ids = scoring(ws)
    client = client_of(ws)
    client.log_score(0.5, ids["itemId"])
    client.log_score(1, ids["itemId"], batch_size=1000, batch_timeout=3600.0, confidence=0.25, metadata={"a": [1]})
    client.log_score(2, ids["itemId"], immediate=True, batch_size=None, batch_timeout=None, explanation="why")
    stored = rows(path, "SELECT value, account_id, scorecard_id, score_id FROM plexus_score_result ORDER BY value")
    same = (ids["accountId"], ids["scorecardId"], ids["scoreId"])
    assert stored == [("0.5", *same), ("1", *same), ("2", *same)]
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'ScoreResult'") == [(3,)]
    second = ws.plexus.find("ScoreResult", {"value": "1"})[0]
    assert (second["confidence"], second["metadata"], second["type"]) == (0.25, {"a": [1]}, "prediction")


def test_a_call_s_own_words_win_over_the_context(ws: Workspace) -> None:
    """Ids in the call go first, then its scorecard_key and score_name."""
    ids = scoring(ws)
    other = {"accountId": "A", "scorecardId": "C", "scoreId": "S"}
    client_of(ws).log_score(1, ids["itemId"], **other)
    assert {name: ws.plexus.find("ScoreResult")[0][name] for name in other} == other
    plain = PlexusDashboardClient.for_account("lab", workspace=ws)
    plain.log_score(2, ids["itemId"], scorecard_key="quality", score_name="tone")
    assert ws.plexus.find("ScoreResult", {"value": "2"})[0]["scoreId"] == ids["scoreId"]


def test_logged_scores_arrive(synced: Workspace, sandbox: Sandbox) -> None:
    """A sync leaves exactly what was logged on the remote."""
    ids = scoring(synced)
    client = client_of(synced)
    client.log_score(0.75, ids["itemId"], metadata={"b": 1})
    client.ScoreResult.create(2, ids["itemId"], immediate=True, batch_size=3, batch_timeout=0)
    report = synced.push("plexus")
    assert (report.exit_code, report.acked) == (0, 7)
    found = [(r["value"], r["scoreId"], r.get("metadata")) for r in sandbox.rows("ScoreResult")]
    assert found == [("0.75", ids["scoreId"], '{"b":1}'), ("2", ids["scoreId"], None)]


def test_many_threads_log_at_once(ws: Workspace, path: Path) -> None:
    """Nothing is lost and nothing doubled, with one client for all of them."""
    ids = scoring(ws)
    client = client_of(ws)

    def log(thread: int) -> None:
        for n in range(25):
            client.log_score(f"{thread}-{n}", ids["itemId"])  # type: ignore[arg-type]

    threads = [threading.Thread(target=log, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(path, "SELECT count(DISTINCT value), count(*) FROM plexus_score_result") == [(200, 200)]
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'ScoreResult'") == [(200,)]


def test_a_wrong_score_stores_nothing_and_says_why(ws: Workspace, path: Path) -> None:
    """Unknown fields, unknown names, hints that are no numbers, twice the same: before anything is stored."""
    ids = scoring(ws)
    client = client_of(ws)
    with pytest.raises(InvalidInput, match="explenation"):
        client.log_score(1, ids["itemId"], explenation="x")
    with pytest.raises(RecordNotFound, match="Manners"):
        client.log_score(1, ids["itemId"], score_name="Manners")
    with pytest.raises(InvalidInput, match="batch_size"):
        client.log_score(1, ids["itemId"], batch_size="ten")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="batch_timeout"):
        client.log_score(1, ids["itemId"], batch_timeout=float("nan"))
    with pytest.raises(InvalidInput, match="twice"):
        client.log_score(1, ids["itemId"], itemId="other")
    with pytest.raises(InvalidInput, match="scoreId"):
        PlexusDashboardClient.for_scorecard("lab", "quality", workspace=ws).log_score(1, ids["itemId"])
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(0,)]


def test_the_namespaces_are_the_classes_with_this_client(ws: Workspace) -> None:
    """What they make and find is of the model classes."""
    ids = scoring(ws)
    client = client_of(ws)
    made = client.ScoreResult.create(1, ids["itemId"], explanation="x")
    assert isinstance(made, ScoreResult)
    assert (made.value, made.scoreId) == ("1", ids["scoreId"])
    both = client.ScoreResult.batch_create([{"value": 2, "itemId": ids["itemId"]}, {"value": "3", "itemId": ids["itemId"]}])
    assert [result.value for result in both] == ["2", "3"]
    assert client.Scorecard.get_by_key("quality").id == client.Scorecard.get_by_id(ids["scorecardId"]).id
    found = client.Account.get_by_key("lab")
    assert found is not None
    assert found.id == client.Account.get_by_id(ids["accountId"]).id
    assert client.Account.get_by_key("nobody's") is None
    for look in (client.Scorecard.get_by_key, client.Scorecard.get_by_id, client.Account.get_by_id):
        with pytest.raises(ValueError, match="nothing"):
            look("nothing")


def test_a_batch_is_all_or_nothing(ws: Workspace) -> None:
    """One wrong item, and none of them is stored."""
    ids = scoring(ws)
    with pytest.raises(ValueError, match="1"):
        client_of(ws).ScoreResult.batch_create([{"value": 2, "itemId": ids["itemId"]}, {"value": 3}])
    with pytest.raises(ValueError, match="dict"):
        client_of(ws).ScoreResult.batch_create(["nonsense"])  # type: ignore[list-item]
    assert ws.plexus.find("ScoreResult") == []


def test_evaluations_and_scoring_jobs_go_through_the_client(ws: Workspace) -> None:
    """The two calls that have their own room answer as documented."""
    ids = scoring(ws)
    client = client_of(ws)
    where = (ids["itemId"], ids["scorecardId"], ids["accountId"])
    job, batch = client.batch_scoring_job(*where, "provider", "model", scoreId=ids["scoreId"], max_batch_size=2)
    assert batch is not None
    assert (job.itemId, job.status, batch.modelName) == (ids["itemId"], "PENDING", "model")
    evaluation = ws.plexus.create("Evaluation", {"type": "accuracy", "accountId": ids["accountId"], "status": "RUNNING"})
    answer = client.updateEvaluation(evaluation["id"], status="COMPLETED")
    assert answer["updateEvaluation"]["status"] == "COMPLETED"
    with pytest.raises(ValueError, match="nothing"):
        client.updateEvaluation("nothing", status="COMPLETED")


def test_deep_links_hold_what_they_are_given_and_no_more(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are escaped, once; places without a value stay; the base comes from the settings."""
    client = PlexusDashboardClient(workspace=ws)
    assert client.generate_deep_link("/items/{itemId}", {"itemId": "a-1"}) == "https://app.plexus.ai/items/a-1"
    hostile = {"a": "x/../y?z=1#{b}", "b": "two"}
    assert client.generate_deep_link("{a}/{b}/{c}", hostile).endswith(".ai/x%2F..%2Fy%3Fz%3D1%23%7Bb%7D/two/{c}")
    with pytest.raises(InvalidInput, match="step"):
        client.generate_deep_link("/items/{a}/edit", {"a": ".."})
    monkeypatch.setenv("PLEXUS_DASHBOARD_URL", "https://board.example/")
    with Workspace.open(ws.path) as configured:
        assert PlexusDashboardClient(workspace=configured).generate_deep_link("x", {}) == "https://board.example/x"


def test_a_score_s_configuration_comes_from_its_champion(ws: Workspace) -> None:
    """Named by key, external id, name or id; without a champion here, what to pull is said."""
    ids = scoring(ws)
    client = PlexusDashboardClient.for_account("lab", workspace=ws)
    with pytest.raises(RecordNotFound, match="Tone") as caught:
        client.load_score_configuration("quality", "Tone")
    assert "ScoreVersion" in str(caught.value.hint)
    version = ws.plexus.create("ScoreVersion", {"scoreId": ids["scoreId"], "configuration": "name: Tone\nsteps: [1]\n"})
    ws.plexus.update("Score", ids["scoreId"], {"championVersionId": version["id"]})
    for card in ("quality", "Quality", ids["scorecardId"]):
        for score in ("Tone", "tone", ids["scoreId"]):
            assert client.load_score_configuration(card, score) == {"name": "Tone", "steps": [1]}
    with pytest.raises(RecordNotFound, match="Manners"):
        client.load_score_configuration("quality", "Manners", use_cache=True, yaml_only=True)
    account(ws, key="other")
    with pytest.raises(RecordNotFound, match="quality"):
        PlexusDashboardClient.for_account("other", workspace=ws).load_score_configuration("quality", "Tone")


def test_flush_sends_what_waits_and_harms_nothing(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Without pushes in the background it sends in the caller's thread; after it nothing waits."""
    ids = scoring(synced)
    client = client_of(synced)
    client.log_score(1, ids["itemId"])
    client.flush()
    assert sandbox.count("ScoreResult") == 1
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    assert not synced.background.running
    client.flush()


def test_flush_never_raises_for_a_network(ws: Workspace, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not configured, nobody there, or a key that is refused: it returns, everything waits, and no key is logged."""
    ids = scoring(ws)
    for client in (
        PlexusDashboardClient.for_scorecard("lab", "quality", "Tone", workspace=ws),
        PlexusDashboardClient("http://127.0.0.1:9/graphql", "da2-canary", workspace=ws),
        PlexusDashboardClient("http://plain.example/graphql", "da2-canary", workspace=ws),
    ):
        client.log_score(1, ids["itemId"], **{name: ids[name] for name in ("accountId", "scorecardId", "scoreId")})
        client.flush()
        client.flush()
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'ScoreResult'") == [(3,)]
    assert caplog.text.count("WARNING") == 2
    assert "da2-canary" not in caplog.text


def test_a_client_s_own_credentials_are_used_and_kept_nowhere(ws: Workspace, sandbox: Sandbox, path: Path) -> None:
    """They serve this client's flush; the file never holds them, and the workspace is as unconfigured as before."""
    scoring(ws)
    key = sandbox.settings["PLEXUS_API_KEY"]
    PlexusDashboardClient(sandbox.url, key, workspace=ws).flush()
    assert sandbox.count("Score") == 1
    assert ws.push("plexus").remotes["plexus"].skipped
    for file in path.parent.glob(f"{path.name}*"):
        assert key.encode() not in file.read_bytes()
