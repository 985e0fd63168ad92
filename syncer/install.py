"""What to type to install: the distribution is not called as the package is, whose name on the index is a stranger's."""

from __future__ import annotations

DISTRIBUTION = "syncer-outbox"


def hint(extra: str | None = None, *, upgrade: bool = False) -> str:
    """The command that installs this program, with ``extra`` where something of it is missing, or its newest version."""
    if extra is not None:
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    return f"pip install {'-U ' if upgrade else ''}{DISTRIBUTION}"


def upgrade_hint() -> str:
    """What to do where a newer version is needed."""
    return f"upgrade syncer: {hint(upgrade=True)}"
