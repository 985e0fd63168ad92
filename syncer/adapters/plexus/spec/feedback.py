"""Feedback people give on results."""

from __future__ import annotations

from syncer.schema.fields import flag, identity, json_value, ref, stamp, text, time
from syncer.schema.model import Index, Model, SameAs
from syncer.schema.pull import Natural, Since

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
        flag("isAgreement"),
        flag("isInvalid"),
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
    pull=Since("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
    natural=(Natural(("accountId", "cacheKey")),),
)

MODELS = (FEEDBACK_ITEM,)
