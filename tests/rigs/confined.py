"""Runs a command with less than this process may do: ``python confined.py FILE_SIZE COMMAND...``.

FILE_SIZE: bytes that no file may grow beyond, 0 for any. Root's power over file modes is given up, so that a read-only file
is one for whoever runs the tests.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_CAPBSET_DROP = 24
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


def main(most: int, command: list[str]) -> None:
    """Give up, then become ``command``."""
    if most:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if os.geteuid() == 0:
        for power in (_DAC_OVERRIDE, _DAC_READ_SEARCH):
            if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, power, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "cannot give up root's power over file modes")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
