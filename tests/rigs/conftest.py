"""The rigs run the real command as the tests of the command line do."""

from __future__ import annotations

from tests.cli.conftest import filled, fresh, made

__all__ = ["filled", "fresh", "made"]
