"""The classes of Plexus's models, by the names they have in the original."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.lazy import lazily
from syncer.schema.model import snake

if TYPE_CHECKING:
    from syncer.plexus.models.account import Account as Account
    from syncer.plexus.models.base_model import BaseModel as BaseModel
    from syncer.plexus.models.data_source import DataSet as DataSet
    from syncer.plexus.models.data_source import DataSource as DataSource
    from syncer.plexus.models.evaluation import Evaluation as Evaluation
    from syncer.plexus.models.feedback import FeedbackChangeDetail as FeedbackChangeDetail
    from syncer.plexus.models.feedback import FeedbackItem as FeedbackItem
    from syncer.plexus.models.identifier import Identifier as Identifier
    from syncer.plexus.models.item import Item as Item
    from syncer.plexus.models.report import Report as Report
    from syncer.plexus.models.report_block import ReportBlock as ReportBlock
    from syncer.plexus.models.report_configuration import ReportConfiguration as ReportConfiguration
    from syncer.plexus.models.score import Score as Score
    from syncer.plexus.models.score_result import ScoreResult as ScoreResult
    from syncer.plexus.models.scorecard import Scorecard as Scorecard
    from syncer.plexus.models.scoring import BatchJob as BatchJob
    from syncer.plexus.models.scoring import ScoringJob as ScoringJob
    from syncer.plexus.models.task import Task as Task
    from syncer.plexus.models.task_stage import TaskStage as TaskStage

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
    __name__,
    {name: f"syncer.plexus.models.{snake(name)}" for name in __all__}
    | {
        "BaseModel": "syncer.plexus.models.base_model",
        "BatchJob": "syncer.plexus.models.scoring",
        "DataSet": "syncer.plexus.models.data_source",
        "FeedbackChangeDetail": "syncer.plexus.models.feedback",
        "FeedbackItem": "syncer.plexus.models.feedback",
        "ScoringJob": "syncer.plexus.models.scoring",
    },
)
