"""ABEJA Platform's Run API as its clients see it: runs without any idempotency, and their logs.

Where the page leaves something open, the docstrings here say what the sandbox decides.

Source: docs/remotes/abeja.md#not-confirmed
"""
