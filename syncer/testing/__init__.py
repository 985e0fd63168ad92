"""For tests of your own: the contract that every remote keeps, and fixtures for a workspace and a sandbox. Needs pytest.

* An adapter of your own keeps the contract when a subclass of :class:`RemoteContract` passes.
* ``pytest_plugins = ["syncer.testing.fixtures"]`` in the topmost ``conftest.py`` gives the fixtures ``syncer_settings``,
  ``syncer_path``, ``syncer_workspace`` and ``syncer_sandbox`` (which also needs the extra ``sandbox``).
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("syncer.testing.contract")

from syncer.testing.contract import RemoteContract, Upstream  # noqa: E402 - its asserts are to be explained

__all__ = ["RemoteContract", "Upstream"]
