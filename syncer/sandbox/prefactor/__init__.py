"""Prefactor as its clients see it: agent instances, spans and bulk, with idempotency keys.

Source: spec/prefactor.md. Where it leaves something open, the docstrings here say what the sandbox decides.
"""
