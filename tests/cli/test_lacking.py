"""What a sync says of changes whose model the deployment lacks."""

from __future__ import annotations

from pathlib import Path

from syncer import Workspace
from tests.cli.conftest import Syncer
from tests.engine.test_schema_drift import batches


def test_the_command_line_says_it_once_and_is_content(connected: Syncer, path: Path) -> None:
    """``sync`` ends with 0 and one note; nothing is said to wait, and no command is advised that would not help."""
    assert connected("sync").code == 0
    with Workspace.open(path) as ws:
        batches(ws, "acc-1")
    for _ in range(2):
        ended = connected("sync")
        assert ended.code == 0, ended
        assert ended.out.count("lacks models whose changes stay here: BatchJob (1), BatchJobScoringJob (1)") == 1
        assert "wait" not in ended.out
        assert "->" not in ended.out
