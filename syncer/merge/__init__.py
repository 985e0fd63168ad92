"""Merging two edits of one record, by rules, and the conflicts that remain."""
