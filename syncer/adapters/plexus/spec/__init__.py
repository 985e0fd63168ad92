"""Every Plexus model, parents first: ``MODELS[name]``."""

from __future__ import annotations

from syncer.adapters.plexus.spec import (
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
from syncer.schema.model import catalogue

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
