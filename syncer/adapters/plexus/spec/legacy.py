"""Three models of older deployments, absent from today's schema."""

from __future__ import annotations

from syncer.schema.fields import choice, identity, integer, json_value, ref, server_time, stamp, text, time
from syncer.schema.model import Model
from syncer.schema.pull import FullScan

BATCH_JOB = Model(
    "BatchJob",
    fields=(
        identity(),
        ref("accountId", "Account", required=True),
        text("status", required=True),
        text("type", required=True),
        text("batchId", required=True),
        text("modelProvider", required=True),
        text("modelName", required=True),
        integer("scoringJobCountCache"),
        time("startedAt"),
        time("estimatedEndAt"),
        time("completedAt"),
        integer("totalRequests"),
        integer("completedRequests"),
        integer("failedRequests"),
        text("errorMessage"),
        json_value("errorDetails"),
        ref("scorecardId", "Scorecard"),
        ref("scoreId", "Score"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    legacy=True,
    pull=FullScan(),
)


BATCH_JOB_SCORING_JOB = Model(
    "BatchJobScoringJob",
    fields=(
        identity(),
        ref("batchJobId", "BatchJob", "scoringJobs", required=True),
        ref("scoringJobId", "ScoringJob", required=True),
        server_time("createdAt"),
    ),
    legacy=True,
    pull=FullScan(),
)


FEEDBACK_CHANGE_DETAIL = Model(
    "FeedbackChangeDetail",
    fields=(
        identity(),
        ref("feedbackItemId", "FeedbackItem", required=True),
        choice("changeType", "Response", "Score", "Calibration"),
        text("externalId"),
        time("changedAt"),
        text("changedBy"),
        text("initialAnswerValue"),
        text("finalAnswerValue"),
        text("initialCommentValue"),
        text("finalCommentValue"),
        text("editCommentValue"),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    legacy=True,
    pull=FullScan(),
)

MODELS = (BATCH_JOB, BATCH_JOB_SCORING_JOB, FEEDBACK_CHANGE_DETAIL)
