"""Plexus as the engine drives it."""
