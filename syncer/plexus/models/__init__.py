"""The classes of Plexus's models, by the names they have in the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.describe import snake
from syncer.exports import lazily

if TYPE_CHECKING:
    from syncer.plexus.models.account import Account as Account
    from syncer.plexus.models.batch_job import BatchJob as BatchJob
    from syncer.plexus.models.data_set import DataSet as DataSet
    from syncer.plexus.models.data_source import DataSource as DataSource
    from syncer.plexus.models.evaluation import Evaluation as Evaluation
    from syncer.plexus.models.feedback_change_detail import FeedbackChangeDetail as FeedbackChangeDetail
    from syncer.plexus.models.feedback_item import FeedbackItem as FeedbackItem
    from syncer.plexus.models.identifier import Identifier as Identifier
    from syncer.plexus.models.item import Item as Item
    from syncer.plexus.models.report import Report as Report
    from syncer.plexus.models.report_block import ReportBlock as ReportBlock
    from syncer.plexus.models.report_configuration import ReportConfiguration as ReportConfiguration
    from syncer.plexus.models.score import Score as Score
    from syncer.plexus.models.score_result import ScoreResult as ScoreResult
    from syncer.plexus.models.scorecard import Scorecard as Scorecard
    from syncer.plexus.models.scoring_job import ScoringJob as ScoringJob
    from syncer.plexus.models.task import Task as Task
    from syncer.plexus.models.task_stage import TaskStage as TaskStage
    from syncer.plexus.record import BaseModel as BaseModel

__all__ = [
    "BaseModel",
    "Account",
    "BatchJob",
    "DataSet",
    "DataSource",
    "Evaluation",
    "FeedbackChangeDetail",
    "FeedbackItem",
    "Identifier",
    "Item",
    "Report",
    "ReportBlock",
    "ReportConfiguration",
    "Score",
    "ScoreResult",
    "Scorecard",
    "ScoringJob",
    "Task",
    "TaskStage",
]

__getattr__, __dir__ = lazily(
    __name__, {name: f"syncer.plexus.models.{snake(name)}" for name in __all__} | {"BaseModel": "syncer.plexus.record"}
)
