"""What makes SQLite wait until written bytes have reached the disk: each system has a barrier of its own."""

from __future__ import annotations

_APPLE = ("darwin", "ios")  # there fsync hands bytes to the disk, which may keep them in its cache: F_FULLFSYNC is a barrier


def barriers(durability: str, system: str) -> dict[str, str | int]:
    """The PRAGMAs of a connection for ``durability`` (full, normal or off) on ``system`` (``sys.platform``), in order.

    full: every commit waits. normal: only a checkpoint waits, so that a power cut may cost the last writes, never the file.
    off: nothing waits, for what nobody needs after a power cut. What is SQLite's default there is left out.

    See https://www.sqlite.org/pragma.html#pragma_fullfsync, #pragma_checkpoint_fullfsync, #pragma_synchronous.
    """
    found: dict[str, str | int] = {"synchronous": durability.upper()}
    if system in _APPLE and durability == "full":
        found["fullfsync"] = 1
    if system in _APPLE and durability != "off":
        found["checkpoint_fullfsync"] = 1
    return found
