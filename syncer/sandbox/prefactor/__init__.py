"""Prefactor as its clients see it: agent instances, spans and bulk, with idempotency keys.

Where the page leaves something open, the docstrings here say what the sandbox decides.

Source: docs/remotes/prefactor.md#not-confirmed
"""
