"""``plexus.dashboard.api.models.feedback_item``: the original's path to this class."""

from __future__ import annotations

from syncer.plexus.models.feedback import FeedbackItem as FeedbackItem
