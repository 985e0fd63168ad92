"""Finding Plexus records by what they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from syncer.adapters.plexus import lookup
from syncer.adapters.plexus.adapter import Plexus, PlexusConnection
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import RemoteRefused, Unreachable
from syncer.sandbox.server import Sandbox

ITEM, IDENTIFIER, FEEDBACK = MODELS["Item"], MODELS["Identifier"], MODELS["FeedbackItem"]
NATURALS = [(m, n) for m in MODELS.values() for n in m.natural_keys]


@pytest.fixture
def connection(sandbox: Sandbox) -> Iterator[PlexusConnection]:
    """A connection to the sandbox."""
    settings = {"api_url": sandbox.settings["PLEXUS_API_URL"], "api_key": sandbox.settings["PLEXUS_API_KEY"]}
    opened = Plexus(settings).connect()
    yield opened
    opened.close()


def put_feedback(sandbox: Sandbox, key: str, account: str, cache_key: str) -> None:
    """A feedback item upstream."""
    made = "2026-01-01T00:00:00.000Z"
    fields = {"scorecardId": "card", "scoreId": "score", "itemId": "item", "editedAt": made}
    sandbox.put("FeedbackItem", fields, id=key, accountId=account, cacheKey=cache_key)


@pytest.mark.parametrize(("model", "natural"), NATURALS, ids=lambda v: getattr(v, "name", None) or "+".join(v.fields))
def test_every_natural_key_can_be_asked_for(model: Any, natural: Any) -> None:
    """Fields exist, and an index or the key itself fixes them."""
    target = MODELS[natural.child] if natural.child else model
    names = dict.fromkeys(natural.fields, "x")
    assert names.keys() <= target.by_name.keys()
    assert set(natural.fields) == set(target.key) or lookup.covering(target, names)
    if natural.child:
        assert target.by_name[natural.pointer].ref == model.name
        assert natural.order in target.by_name


def test_the_index_that_fixes_the_most_is_used() -> None:
    """The whole of an index must be known; a partition alone would read an account."""
    assert lookup.covering(FEEDBACK, {"accountId": "a", "cacheKey": "c"}).fields == ("cacheKey",)
    assert lookup.covering(IDENTIFIER, {"accountId": "a", "name": "n", "value": "v"}).fields == (
        "accountId",
        "name",
        "value",
    )
    assert lookup.covering(ITEM, {"accountId": "a", "externalId": "x"}).fields == ("accountId", "externalId")
    with pytest.raises(ValueError, match="no index of Item"):
        lookup.covering(ITEM, {"accountId": "a"})


def test_answers_come_in_the_order_of_the_questions(connection: PlexusConnection, sandbox: Sandbox) -> None:
    """Found, absent and found twice, over more than one document."""
    for n in range(60):
        sandbox.put("Item", id=f"i{n}", accountId="a", externalId=f"x{n}", isEvaluation=True)
    sandbox.put("Item", id="again", accountId="a", externalId="x3", isEvaluation=True)
    wanted = [{"accountId": "a", "externalId": f"x{n}"} for n in range(59, -2, -1)]
    found = [[row["id"] for row in rows] for rows in connection.lookup(ITEM, wanted)]
    assert [sorted(keys) for keys in found] == [
        *([f"i{n}"] for n in range(59, 3, -1)), ["again", "i3"], ["i2"], ["i1"], ["i0"], []
    ]  # fmt: skip
    assert sandbox.requests == 3
    assert connection.lookup(ITEM, []) == []


def test_empty_pages_are_read_on(connection: PlexusConnection, sandbox: Sandbox) -> None:
    """The filter applies after the limit: 250 records of others come first, and one question ends before the other."""
    for n in range(250):
        put_feedback(sandbox, f"o{n}", "else", "k")
    put_feedback(sandbox, "mine", "a", "k")
    put_feedback(sandbox, "early", "a", "e")
    wanted = [{"accountId": "a", "cacheKey": key} for key in ("e", "k", "none")]
    assert [[r["id"] for r in rows] for rows in connection.lookup(FEEDBACK, wanted)] == [["early"], ["mine"], []]


def test_a_whole_key_is_asked_for_directly(connection: PlexusConnection, sandbox: Sandbox) -> None:
    """Reads by key do not lag as indexes do."""
    sandbox.put("Identifier", itemId="i", accountId="a", name="n", value="v", position=1)
    found = connection.lookup(IDENTIFIER, [{"itemId": "i", "name": "n"}, {"itemId": "i", "name": "other"}])
    assert [[r["value"] for r in rows] for rows in found] == [["v"], []]
    assert found[0][0]["createdAt"].endswith("000Z")


def test_a_part_without_capacity_is_no_absence(connection: PlexusConnection, sandbox: Sandbox) -> None:
    """An error on one alias means "unknown": taken as "nobody", it would make a second record."""
    put_feedback(sandbox, "mine", "a", "k")
    sandbox.faults.refuse_parts_next()
    with pytest.raises(Unreachable) as caught:
        connection.lookup(FEEDBACK, [{"accountId": "a", "cacheKey": "k"}])
    assert caught.value.connected


def test_an_owner_that_cannot_be_shown_is_no_absence(connection: PlexusConnection, sandbox: Sandbox) -> None:
    """A record blanked because of a broken field of its own is there: to make it again would double it [I3]."""
    put_feedback(sandbox, "f", "a", "k")
    error = {"path": ["s0", "items", 0, "id"], "message": "Cannot return null for non-nullable type: 'ID'"}
    body = {"data": {"s0": {"items": [None], "nextToken": None}}, "errors": [error]}
    sandbox.faults.fail_next(200, body=json.dumps(body).encode())
    with pytest.raises(RemoteRefused, match="cannot be read"):
        connection.lookup(FEEDBACK, [{"accountId": "a", "cacheKey": "k"}])
    assert [row["id"] for row in connection.lookup(FEEDBACK, [{"accountId": "a", "cacheKey": "k"}])[0]] == ["f"]


def test_a_question_the_schema_refuses_is_refused(connection: PlexusConnection) -> None:
    """A value of the wrong kind is refused with the reason, not taken as "nobody"."""
    with pytest.raises(RemoteRefused, match="would not list Item"):
        connection.lookup(ITEM, [{"accountId": "a", "externalId": 7}])  # type: ignore[dict-item]
