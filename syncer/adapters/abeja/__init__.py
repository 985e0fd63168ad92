"""ABEJA as the engine drives it."""
