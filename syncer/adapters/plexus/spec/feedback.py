"""Feedback people give on results."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, json_value, ref, stamp, text, time
from syncer.schema.model import Index, Model, SameAs
from syncer.schema.pull import Incremental, NaturalKey

FEEDBACK_ITEM = Model(
    "FeedbackItem",
    fields=(
        identity(),
        ref("accountId", "Account", "feedbackItems", required=True),
        ref("scorecardId", "Scorecard", "feedbackItems", required=True),
        text("cacheKey", required=True),
        ref("scoreId", "Score", "feedbackItems", required=True),
        ref("itemId", "Item", "feedbackItems", required=True),
        text("initialAnswerValue"),
        text("finalAnswerValue"),
        text("initialCommentValue"),
        text("finalCommentValue"),
        text("editCommentValue"),
        time("editedAt", fill_in=SameAs("createdAt")),
        text("editorName"),
        boolean("isAgreement"),
        boolean("isInvalid"),
        json_value("metadata"),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("accountId", ("editedAt",)),
        Index("accountId", ("scorecardId", "scoreId", "updatedAt"), name="byAccountScorecardScoreUpdatedAt"),
        Index("accountId", ("scorecardId", "scoreId", "editedAt"), name="byAccountScorecardScoreEditedAt"),
        Index("cacheKey", name="byCacheKey"),
        Index("itemId"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
    natural_keys=(NaturalKey(("accountId", "cacheKey")),),
)

MODELS = (FEEDBACK_ITEM,)
