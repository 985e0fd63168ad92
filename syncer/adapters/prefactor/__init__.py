"""Prefactor as the engine drives it."""
