"""Words that several subjects share."""

from __future__ import annotations

FINAL_STATES = ("COMPLETED", "FAILED", "CANCELLED", "CANCELED", "ERROR")
"""Statuses after which Plexus no longer changes a task or job."""
