"""The classes of Plexus's models, by the names they have in the original."""

from __future__ import annotations

from syncer.exports import lazily

_HOMES = {
    "BaseModel": "syncer.plexus.record",
    "Account": "syncer.plexus.models.account",
    "BatchJob": "syncer.plexus.models.batch_job",
    "DataSet": "syncer.plexus.models.data_set",
    "DataSource": "syncer.plexus.models.data_source",
    "Evaluation": "syncer.plexus.models.evaluation",
    "FeedbackChangeDetail": "syncer.plexus.models.feedback_change_detail",
    "FeedbackItem": "syncer.plexus.models.feedback_item",
    "Identifier": "syncer.plexus.models.identifier",
    "Item": "syncer.plexus.models.item",
    "Report": "syncer.plexus.models.report",
    "ReportBlock": "syncer.plexus.models.report_block",
    "ReportConfiguration": "syncer.plexus.models.report_configuration",
    "Score": "syncer.plexus.models.score",
    "ScoreResult": "syncer.plexus.models.score_result",
    "Scorecard": "syncer.plexus.models.scorecard",
    "ScoringJob": "syncer.plexus.models.scoring_job",
    "Task": "syncer.plexus.models.task",
    "TaskStage": "syncer.plexus.models.task_stage",
}
__all__ = list(_HOMES)

__getattr__, __dir__ = lazily(__name__, _HOMES)
