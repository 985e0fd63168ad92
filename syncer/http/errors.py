"""What a request may end with instead of an answer."""

from __future__ import annotations


class NotSent(Exception):
    """No connection came about: nothing can have been applied."""


class ReplyLost(Exception):
    """The request may have arrived, but no whole answer came back."""
