"""How long and from which seed the rigs run, read once at import: tests remove everybody's ``SYNCER_`` settings.

``SYNCER_RIG``: how many times the small profile of CI (1). ``SYNCER_RIG_SEED``: where random choices start; fixed unless
given, so that a red run can be repeated.
"""

from __future__ import annotations

import os
import sys

scale: int = max(1, int(os.environ.get("SYNCER_RIG", "1")))
seed: int = int(os.environ.get("SYNCER_RIG_SEED", "20261121"))


def tally(rig: str, **counts: object) -> None:
    """Say on one line what a rig did: ``rig kill: rounds=24, kills=20, lost=0``. Seen with ``pytest -s``."""
    told = ", ".join(f"{name}={value}" for name, value in {"seed": seed, **counts}.items())
    sys.stdout.write(f"\nrig {rig}: {told}\n")
