"""Scorecards, their sections, scores and score versions, and example items."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, integer, json_value, number, ref, server_time, stamp, text, time
from syncer.schema.model import Index, Kind, Model
from syncer.schema.pull import PerParent, Selector

SCORECARD = Model(
    "Scorecard",
    fields=(
        identity(),
        text("name", required=True),
        text("key", required=True),
        text("description"),
        text("guidelines"),
        ref("accountId", "Account", "scorecards", required=True),
        text("externalId"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(
        Index("accountId"),
        Index("key"),
        Index("externalId"),
        Index("name"),
        Index("accountId", ("externalId",), name="byAccountIdAndExternalId"),
    ),
    pull=PerParent("Account", ("accountId",), changed=True),
    selector=Selector("scorecards", ("id", "key", "externalId", "name")),
)


SCORECARD_SECTION = Model(
    "ScorecardSection",
    fields=(
        identity(),
        text("name", required=True),
        integer("order", required=True),
        ref("scorecardId", "Scorecard", "sections", required=True),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(Index("scorecardId"),),
    pull=PerParent("Scorecard", ("scorecardId",)),
)


SCORE = Model(
    "Score",
    fields=(
        identity(),
        text("name", required=True),
        text("key"),
        text("description"),
        integer("order", required=True),
        text("type", required=True),
        number("targetAgreement"),
        number("accuracy"),
        text("version"),
        text("aiProvider"),
        text("aiModel"),
        ref("sectionId", "ScorecardSection", "scores", required=True),
        ref("scorecardId", "Scorecard", "scores", required=True),
        ref("championVersionId", "ScoreVersion", "scoresAsChampion", back=True),
        text("externalId", required=True),
        boolean("isDisabled"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(
        Index("sectionId"),
        Index("externalId"),
        Index("key"),
        Index("name"),
        Index("scorecardId", ("externalId",), name="byScorecardIdAndExternalId"),
    ),
    pull=PerParent("Scorecard", ("scorecardId", "externalId")),
)


SCORE_VERSION = Model(
    "ScoreVersion",
    fields=(
        identity(),
        ref("scoreId", "Score", "versions", required=True),
        text("configuration", required=True),
        text("guidelines"),
        text("isFeatured", fill_in="false"),
        stamp("createdAt"),
        stamp("updatedAt"),
        text("note"),
        text("branch"),
        json_value("metadata"),
        ref("createdByUserId", "User", "scoreVersions"),
        ref("parentVersionId", "ScoreVersion", "childVersions"),
    ),
    indexes=(
        Index("scoreId", ("createdAt",)),
        Index("scoreId", ("isFeatured", "createdAt"), name="byScoreIdAndIsFeaturedAndCreatedAt"),
        Index("createdByUserId"),
    ),
    pull=PerParent("Score", ("scoreId", "createdAt")),
)


SCORECARD_EXAMPLE_ITEM = Model(
    "ScorecardExampleItem",
    fields=(
        identity(),
        ref("scorecardId", "Scorecard", "exampleItems", required=True, kind=Kind.ID),
        ref("itemId", "Item", "asExampleFor", required=True, kind=Kind.ID),
        time("addedAt"),
        text("addedBy"),
        text("notes"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(
        Index("scorecardId"),
        Index("itemId"),
        Index("scorecardId", ("addedAt",)),
    ),
    pull=PerParent("Scorecard", ("scorecardId",)),
)

MODELS = (SCORECARD, SCORECARD_SECTION, SCORE, SCORE_VERSION, SCORECARD_EXAMPLE_ITEM)
