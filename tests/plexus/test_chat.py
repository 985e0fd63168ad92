"""Chat sessions and messages: dicts in, dicts out, in order, and on the remote after a push."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.sandbox.server import Sandbox
from tests.factory import account

T = TypeVar("T")
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SESSION = {
    "id", "accountId", "scorecardId", "scoreId", "procedureId", "name", "category", "status", "metadata", "createdAt",
    "updatedAt",
}  # fmt: skip
MESSAGE = {"id", "sessionId", "procedureId", "role", "content", "metadata", "createdAt"}


def done(call: Coroutine[Any, Any, T]) -> T:
    """What the call answers."""
    return asyncio.run(call)


@pytest.fixture
def client(ws: Workspace) -> PlexusDashboardClient:
    """A client of an account without credentials."""
    return PlexusDashboardClient(context=ClientContext(account_id=account(ws)), workspace=ws)


def test_a_session_from_beginning_to_end(client: PlexusDashboardClient) -> None:
    """Created, found, changed; metadata in and out as a dict, times as the remote writes them."""
    given = {"name": "First", "category": "help", "status": "ACTIVE", "metadata": {"model": "small"}}
    with clock.using(clock.Virtual(START)):
        made = done(client.create_chat_session(given))
    assert set(made) == SESSION
    assert {name: made[name] for name in given} == given
    assert (made["accountId"], made["createdAt"]) == (client.context.account_id, "2026-03-04T05:06:07.000Z")
    assert done(client.get_chat_session(made["id"])) == made
    changes = {"id": made["id"], "status": "COMPLETED", "metadata": '{"model": "large"}'}
    changed = done(client.update_chat_session(changes))
    assert set(changed) == SESSION - {"name", "category"}
    assert (changed["status"], changed["metadata"]) == ("COMPLETED", {"model": "large"})
    assert changes == {"id": made["id"], "status": "COMPLETED", "metadata": '{"model": "large"}'}
    assert done(client.get_chat_session("nothing")) is None


def test_messages_keep_their_order_within_a_millisecond(client: PlexusDashboardClient) -> None:
    """Messages written while the clock stands still come back as they were written."""
    session = done(client.create_chat_session({}))
    with clock.using(clock.Virtual(START)):
        made = [done(client.create_chat_message({"sessionId": session["id"], "content": str(n)})) for n in range(12)]
    assert set(made[0]) == MESSAGE
    found = done(client.list_chat_messages(session["id"]))
    assert found == made
    assert [m["createdAt"] for m in found] == sorted({m["createdAt"] for m in found})
    assert found[0]["createdAt"] == "2026-03-04T05:06:07.000Z"
    assert [m["content"] for m in done(client.list_chat_messages(session["id"], limit=3))] == ["0", "1", "2"]


def test_many_messages_at_once_get_times_of_their_own(client: PlexusDashboardClient) -> None:
    """Calls awaited together share no time, so their order is the same for every reader."""
    session = done(client.create_chat_session({}))

    async def together() -> list[dict[str, Any]]:
        calls = (client.create_chat_message({"sessionId": session["id"], "content": str(n)}) for n in range(20))
        return await asyncio.gather(*calls)

    with clock.using(clock.Virtual(START)):
        assert len({message["createdAt"] for message in done(together())}) == 20


def test_a_clock_far_ahead_is_not_followed(client: PlexusDashboardClient, ws: Workspace) -> None:
    """One message from the year 9000 does not take all later ones there; a small lead is followed."""
    session = done(client.create_chat_session({}))["id"]
    with clock.using(clock.Virtual(START)):
        ahead = clock.stored(START + timedelta(seconds=2))
        ws.plexus.create("ChatMessage", {"sessionId": session, "content": "a", "createdAt": ahead})
        after = done(client.create_chat_message({"sessionId": session, "content": "b"}))
        assert after["createdAt"] == "2026-03-04T05:06:09.001Z"
        far = {"sessionId": session, "content": "c", "createdAt": "9000-01-01T00:00:00.000Z"}
        assert done(client.create_chat_message(far))["createdAt"] == far["createdAt"]
        assert done(client.create_chat_message({"sessionId": session, "content": "d"}))["createdAt"] < "2027"


def test_an_experiment_is_a_procedure(client: PlexusDashboardClient, ws: Workspace) -> None:
    """Its sessions newest first, its messages oldest first, newest first by any other order."""
    made = []
    with clock.using(clock.Virtual(START)) as virtual:
        for n in range(3):
            virtual.sleep(60)
            session = done(client.create_chat_session({"experimentId": "p", "name": str(n)}))
            message = {"sessionId": session["id"], "experimentId": "p", "content": str(n)}
            made.append(done(client.create_chat_message(message)))
        virtual.sleep(60)
        done(client.update_chat_session({"id": made[0]["sessionId"], "name": "0 again"}))
    done(client.create_chat_session({"procedureId": "another"}))
    assert [m["procedureId"] for m in made] == ["p"] * 3
    assert done(client.list_chat_messages(experiment_id="p")) == made
    assert done(client.list_chat_messages(experiment_id="p", sort_by="updatedAt", limit=2)) == made[:0:-1]
    assert [s["name"] for s in done(client.list_chat_sessions(experiment_id="p"))] == ["2", "1", "0 again"]
    everything = [s["name"] for s in done(client.list_chat_sessions())]
    assert everything == [None, "0 again", "2", "1"]
    assert len(done(client.list_chat_sessions(client.context.account_id, limit=2))) == 2
    assert done(client.list_chat_sessions("nobody's")) == []


def test_what_is_missing_or_wrong_is_named(client: PlexusDashboardClient, ws: Workspace) -> None:
    """Nothing is stored, and nothing is swallowed."""
    for call, word in (
        (client.create_chat_message({"content": "x"}), "sessionId"),
        (client.create_chat_message({"sessionId": "s"}), "content"),
        (client.create_chat_message({"sessionId": "s", "content": "x", "role": "KING"}), "KING"),
        (client.create_chat_session({"titel": "x"}), "titel"),
        (client.update_chat_session({"name": "x"}), "no session"),
        (client.list_chat_messages(), "named"),
        (client.list_chat_messages("s", limit=-1), "limit"),
    ):
        with pytest.raises(InvalidInput, match=word):
            done(call)
    with pytest.raises(RecordNotFound, match="nothing"):
        done(client.update_chat_session({"id": "nothing", "name": "x"}))
    with pytest.raises(ValueError, match="account"):
        done(PlexusDashboardClient(workspace=ws).create_chat_session({}))
    assert (ws.plexus.find("ChatSession"), ws.plexus.find("ChatMessage")) == ([], [])


def test_a_chat_arrives_whole(synced: Workspace, sandbox: Sandbox) -> None:
    """After a push the remote has session and messages, answered ones by default, metadata as its own JSON."""
    client = PlexusDashboardClient(context=ClientContext(account_id=account(synced)), workspace=synced)
    session = done(client.create_chat_session({"status": "ACTIVE"}))
    for content in ("question", "answer"):
        message = {"sessionId": session["id"], "content": content, "role": "USER", "metadata": {"n": [1, None]}}
        done(client.create_chat_message(message))
    done(client.update_chat_session({"id": session["id"], "status": "COMPLETED"}))
    report = synced.push("plexus")
    assert (report.exit_code, report.acked) == (0, 4)
    assert sandbox.rows("ChatSession")[0]["status"] == "COMPLETED"
    found = sorted(sandbox.rows("ChatMessage"), key=lambda row: row["createdAt"])
    assert [row["content"] for row in found] == ["question", "answer"]
    assert {(row["responseStatus"], row["metadata"], row["role"]) for row in found} == {
        ("COMPLETED", '{"n":[1,null]}', "USER")
    }
