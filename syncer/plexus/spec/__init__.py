"""Every Plexus model, parents first: ``MODELS[name]``."""

from __future__ import annotations

from syncer.describe import catalogue
from syncer.plexus.spec import (
    accounts,
    chat,
    datasets,
    evaluations,
    feedback,
    items,
    legacy,
    reports,
    results,
    scorecards,
    tasks,
)

MODELS = catalogue(
    "plexus",
    (
        *accounts.MODELS,
        *scorecards.MODELS,
        *items.MODELS,
        *results.MODELS,
        *evaluations.MODELS,
        *tasks.MODELS,
        *feedback.MODELS,
        *reports.MODELS,
        *datasets.MODELS,
        *chat.MODELS,
        *legacy.MODELS,
    ),
)

__all__ = ["MODELS"]
