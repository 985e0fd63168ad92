"""``plexus.dashboard.api.models.feedback_change_detail``: the original's path to this class."""

from __future__ import annotations

from syncer.plexus.models.feedback import FeedbackChangeDetail as FeedbackChangeDetail
