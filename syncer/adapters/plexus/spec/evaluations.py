"""Evaluations of scores, and metrics aggregated over time."""

from __future__ import annotations

from syncer.schema.fields import boolean, identity, integer, json_value, number, ref, stamp, text, time
from syncer.schema.model import Index, Model
from syncer.schema.pull import Incremental

EVALUATION = Model(
    "Evaluation",
    fields=(
        identity(),
        text("type", required=True),
        json_value("parameters"),
        json_value("metrics"),
        text("metricsExplanation"),
        json_value("metadata"),
        integer("inferences"),
        number("accuracy", required=True, fill_in=0.0),
        number("cost"),
        json_value("costDetails"),
        stamp("createdAt"),
        stamp("updatedAt"),
        text("status", required=True),
        time("startedAt"),
        integer("elapsedSeconds"),
        integer("estimatedRemainingSeconds"),
        integer("totalItems"),
        integer("processedItems"),
        text("errorMessage"),
        json_value("errorDetails"),
        ref("accountId", "Account", "evaluations", required=True),
        ref("scorecardId", "Scorecard", "evaluations"),
        ref("scoreId", "Score", "evaluations"),
        ref("scoreVersionId", "ScoreVersion", "evaluations"),
        json_value("confusionMatrix"),
        text("scoreGoal"),
        json_value("datasetClassDistribution"),
        boolean("isDatasetClassDistributionBalanced"),
        json_value("predictedClassDistribution"),
        boolean("isPredictedClassDistributionBalanced"),
        ref("taskId", "Task", keyed=True),
        text("universalCode"),
        ref("createdByUserId", "User", "evaluations"),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("scorecardId", ("updatedAt",)),
        Index("scoreId", ("updatedAt",)),
        Index("scoreVersionId", ("createdAt",)),
        Index("createdByUserId"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)


AGGREGATED_METRICS = Model(
    "AggregatedMetrics",
    fields=(
        ref("accountId", "Account", "aggregatedMetrics", required=True),
        text("compositeKey", required=True),
        ref("scorecardId", "Scorecard", "aggregatedMetrics"),
        ref("scoreId", "Score", "aggregatedMetrics"),
        text("recordType", required=True),
        time("timeRangeStart", required=True),
        time("timeRangeEnd", required=True),
        integer("numberOfMinutes", required=True),
        integer("count", required=True),
        integer("cost"),
        integer("decisionCount"),
        integer("externalAiApiCount"),
        integer("cachedAiApiCount"),
        integer("errorCount"),
        json_value("metadata"),
        boolean("complete", required=True),
        stamp("createdAt"),
        stamp("updatedAt"),
    ),
    indexes=(
        Index("accountId", ("timeRangeStart", "recordType"), name="byAccountTimeRangeRecord"),
        Index("scorecardId", ("timeRangeStart", "recordType"), name="byScorecardTimeRangeRecord"),
        Index("scoreId", ("timeRangeStart", "recordType"), name="byScoreTimeRangeRecord"),
        Index("accountId", ("recordType", "timeRangeStart"), name="byAccountRecordType"),
    ),
    key=("accountId", "compositeKey"),
    plural="AggregatedMetrics",
    pull=Incremental(
        "Account",
        ("accountId", "timeRangeStart", "recordType"),
        cursor="timeRangeStart",
        overlap_s=2 * 86_400.0,
    ),
)

MODELS = (EVALUATION, AGGREGATED_METRICS)
