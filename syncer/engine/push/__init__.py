"""Sending the pending changes."""
