"""Runs a command that may open few files: ``python scarce.py LEFT COMMAND...``; LEFT: descriptors beside the first three."""

from __future__ import annotations

import os
import resource
import sys

if __name__ == "__main__":
    most = 3 + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.execv(sys.argv[2], sys.argv[2:])
