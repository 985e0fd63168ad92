"""ABEJA Platform's Run API as its clients see it: runs without any idempotency, and their logs.

Source: spec/abeja.md. Where it leaves something open, the docstrings here say what the sandbox decides.
"""
