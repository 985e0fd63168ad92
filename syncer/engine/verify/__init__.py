"""Comparing every record with its row."""
