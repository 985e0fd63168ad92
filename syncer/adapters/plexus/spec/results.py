"""Scoring jobs and the results they give."""

from __future__ import annotations

from syncer.adapters.plexus.spec.states import FINAL_STATES
from syncer.schema.fields import boolean, identity, json_value, local, number, ref, stamp, text, texts, time
from syncer.schema.model import Index, Model
from syncer.schema.pull import Incremental

SCORING_JOB = Model(
    "ScoringJob",
    fields=(
        identity(),
        text("status", required=True),
        time("startedAt"),
        time("completedAt"),
        text("errorMessage"),
        json_value("errorDetails"),
        json_value("metadata"),
        ref("itemId", "Item", "scoringJobs", required=True),
        ref("accountId", "Account", "scoringJobs", required=True),
        ref("scorecardId", "Scorecard", "scoringJobs", required=True),
        ref("evaluationId", "Evaluation", "scoringJobs"),
        ref("scoreId", "Score", "scoringJobs"),
        stamp("updatedAt", required=False),
        stamp("createdAt", required=False),
        local("batchId"),
    ),
    indexes=(
        Index("accountId"),
        Index("accountId", ("createdAt",), name="byAccountAndCreatedAt"),
        Index("itemId"),
        Index("itemId", ("scoreId",), name="byItemScore"),
        Index("scoreId"),
    ),
    pull=Incremental(
        "Account",
        ("accountId", "createdAt"),
        cursor="createdAt",
        overlap_s=7 * 86_400.0,  # jobs made off the network arrive with the time they were made at
        unfinished=("status", FINAL_STATES),
    ),
)


SCORE_RESULT = Model(
    "ScoreResult",
    fields=(
        identity(),
        text("value", required=True),
        text("explanation"),
        number("confidence"),
        json_value("metadata"),
        json_value("trace"),
        boolean("correct"),
        json_value("cost"),
        texts("attachments"),
        text("type", fill_in="prediction"),
        text("status", fill_in="COMPLETED"),
        ref("itemId", "Item", "scoreResults", required=True),
        ref("accountId", "Account", "scoreResults", required=True),
        ref("scoringJobId", "ScoringJob", "scoreResults"),
        ref("evaluationId", "Evaluation", "scoreResults"),
        ref("scorecardId", "Scorecard", "scoreResults", required=True),
        ref("scoreVersionId", "ScoreVersion", "scoreResults"),
        ref("scoreId", "Score", "scoreResults"),
        text("code", fill_in="200"),
        stamp("updatedAt", required=False),
        stamp("createdAt", required=False),
        ref("feedbackItemId", "FeedbackItem", "scoreResults"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("itemId"),
        Index("scoringJobId"),
        Index("scorecardId", ("updatedAt",)),
        Index("scorecardId", ("itemId", "createdAt"), name="byScorecardItemAndCreatedAt"),
        Index("evaluationId"),
        Index("scoreVersionId"),
        Index("scoreId"),
        Index("scorecardId", ("scoreId", "itemId"), name="byScorecardScoreItem"),
        Index("itemId", ("scorecardId", "scoreId"), name="byItemScorecardScore"),
        Index("type", ("status", "updatedAt"), name="byTypeStatusUpdated"),
        Index("itemId", ("type", "scoreId", "updatedAt"), name="byItemIdAndTypeAndScoreIdAndUpdatedAt"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)

MODELS = (SCORING_JOB, SCORE_RESULT)
