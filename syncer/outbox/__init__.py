"""Waiting changes: how they are queued, claimed, settled and shown."""
