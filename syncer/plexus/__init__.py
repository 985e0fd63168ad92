"""Plexus's own Python classes over the local file: change the import line, keep the program.

>>> from syncer.plexus import ClientContext, PlexusDashboardClient
>>> from syncer.plexus.models import ScoreResult
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.lazy import lazily

if TYPE_CHECKING:
    from syncer.plexus.client import AccountNamespace as AccountNamespace
    from syncer.plexus.client import PlexusDashboardClient as PlexusDashboardClient
    from syncer.plexus.client import ScorecardNamespace as ScorecardNamespace
    from syncer.plexus.client import ScoreResultNamespace as ScoreResultNamespace
    from syncer.plexus.graphql import GraphQLRetryPolicy as GraphQLRetryPolicy
    from syncer.plexus.models import Account as Account
    from syncer.plexus.models import BaseModel as BaseModel
    from syncer.plexus.models import BatchJob as BatchJob
    from syncer.plexus.models import DataSet as DataSet
    from syncer.plexus.models import DataSource as DataSource
    from syncer.plexus.models import Evaluation as Evaluation
    from syncer.plexus.models import FeedbackChangeDetail as FeedbackChangeDetail
    from syncer.plexus.models import FeedbackItem as FeedbackItem
    from syncer.plexus.models import Identifier as Identifier
    from syncer.plexus.models import Item as Item
    from syncer.plexus.models import Report as Report
    from syncer.plexus.models import ReportBlock as ReportBlock
    from syncer.plexus.models import ReportConfiguration as ReportConfiguration
    from syncer.plexus.models import Score as Score
    from syncer.plexus.models import Scorecard as Scorecard
    from syncer.plexus.models import ScoreResult as ScoreResult
    from syncer.plexus.models import ScoringJob as ScoringJob
    from syncer.plexus.models import Task as Task
    from syncer.plexus.models import TaskStage as TaskStage
    from syncer.plexus.session import ClientContext as ClientContext

_CLIENT = {
    "PlexusDashboardClient": "syncer.plexus.client",
    "_BaseAPIClient": "syncer.plexus.client",
    "ClientContext": "syncer.plexus.session",
    "GraphQLRetryPolicy": "syncer.plexus.graphql",
    "ScoreResultNamespace": "syncer.plexus.client",
    "ScorecardNamespace": "syncer.plexus.client",
    "AccountNamespace": "syncer.plexus.client",
}

__all__ = [
    "PlexusDashboardClient",
    "ClientContext",
    "GraphQLRetryPolicy",
    "ScoreResultNamespace",
    "ScorecardNamespace",
    "AccountNamespace",
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

__getattr__, __dir__ = lazily(__name__, dict.fromkeys(__all__, "syncer.plexus.models") | _CLIENT)
