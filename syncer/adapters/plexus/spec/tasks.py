"""Tasks and their stages."""

from __future__ import annotations

from syncer.adapters.plexus.spec.states import FINAL_STATES
from syncer.schema.fields import identity, integer, json_value, local, ref, server_time, stamp, text, texts, time
from syncer.schema.model import Index, Kind, Model
from syncer.schema.pull import Incremental, PerParent

TASK = Model(
    "Task",
    fields=(
        identity(),
        ref("accountId", "Account", "tasks", required=True),
        text("type", required=True),
        text("status", required=True),
        text("target", required=True),
        text("command", required=True),
        text("description"),
        text("dispatchStatus"),
        json_value("metadata"),
        stamp("createdAt", required=False),
        time("startedAt"),
        time("completedAt"),
        time("estimatedCompletionAt"),
        text("errorMessage"),
        json_value("errorDetails"),
        text("stdout"),
        text("stderr"),
        text("output"),
        text("error"),
        texts("attachedFiles"),
        ref("currentStageId", "TaskStage", "tasksAsCurrentStage", back=True),
        ref("scorecardId", "Scorecard", "tasks"),
        ref("scoreId", "Score", "tasks"),
        text("celeryTaskId"),
        text("workerNodeId"),
        stamp("updatedAt", required=False),
        local("lockToken"),
        local("lockExpires", Kind.TIME),
    ),
    indexes=(
        Index("accountId", ("updatedAt",)),
        Index("scorecardId", ("updatedAt",)),
        Index("scoreId"),
    ),
    pull=Incremental("Account", ("accountId", "updatedAt"), cursor="updatedAt"),
)


TASK_STAGE = Model(
    "TaskStage",
    fields=(
        identity(),
        ref("taskId", "Task", "stages", required=True),
        text("name", required=True),
        integer("order", required=True),
        text("status", required=True),
        text("statusMessage"),
        time("startedAt"),
        time("completedAt"),
        time("estimatedCompletionAt"),
        integer("processedItems"),
        integer("totalItems"),
        server_time("createdAt"),
        server_time("updatedAt"),
    ),
    indexes=(Index("taskId"),),
    pull=PerParent("Task", ("taskId",), live=("status", FINAL_STATES)),
)

MODELS = (TASK, TASK_STAGE)
