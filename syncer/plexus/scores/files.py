"""Local files of scores: where they lie, and how they are read and written.

``<root>/<scorecard>/<score>.yaml`` and ``<root>/<scorecard>/guidelines/<score>.md``, the root being ``SCORECARD_CACHE_DIR``,
``scorecards`` by default. Names come from elsewhere: no file outside the root is ever touched on their account, and nothing
that lies in the way is removed.

Source: docs/remotes/plexus.md#score
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from syncer import ids
from syncer.errors import InvalidInput
from syncer.plexus.scores.yaml import MOST_BYTES

ROOT_SETTING = "SCORECARD_CACHE_DIR"
NO_GUIDELINES = "*No guidelines specified for this score.*"

_LONGEST_NAME = 255  # bytes: what file systems take
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\[\]]')
_DEVICES = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³])(\..*)?", re.IGNORECASE)
_OURS = (
    "# Pulled from Plexus API", "# Score:", "# Champion Version ID:", "# Version ID:", "# Created:", "# Updated:", "# Note:",
)  # fmt: skip


def root() -> Path:
    """The folder of all score files, as the environment names it now."""
    return Path(os.environ.get(ROOT_SETTING) or "scorecards")


def code_path(scorecard: str, score: str) -> Path:
    """Where the code of a score lies. Raises: InvalidInput for names that no file can have."""
    return root() / cleaned(scorecard) / cleaned(score, ".yaml")


def guidelines_path(scorecard: str, score: str) -> Path:
    """Where the guidelines of a score lie. Raises: InvalidInput for names that no file can have."""
    return root() / cleaned(scorecard) / "guidelines" / cleaned(score, ".md")


def cleaned(name: str, suffix: str = "") -> str:
    """A name as a file or folder may have it, ``suffix`` after it.

    What file systems give a meaning, and what cannot be printed, becomes ``-``. The names of Windows' devices get a ``-``
    at their end, which no other name has. Raises: InvalidInput when nothing is left, or too much.
    """
    if not isinstance(name, str):
        raise InvalidInput(f"no file can be named after {name!r}", hint="give a name as text")
    dashed = "".join(c if c.isprintable() else "-" for c in _FORBIDDEN.sub("-", name))
    kept = re.sub("-+", "-", dashed.strip("- "))
    if not kept.strip(". "):
        raise InvalidInput(f"no file can be named after {name!r}", why="nothing of it is left that a file name may hold")
    if _DEVICES.fullmatch(kept):
        kept += "-"
    whole = kept + suffix
    if len(whole.encode()) > _LONGEST_NAME:
        raise InvalidInput(
            f"no file can be named after {name[:40]!r}...", why=f"a name has at most {_LONGEST_NAME} bytes, with {suffix}"
        )
    return whole


def prepared(path: Path) -> Path:
    """``path`` with its folders made. Raises: InvalidInput when they cannot be; what is in their way stays there."""
    _inside(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidInput(
            f"the folder {path.parent} cannot be made",
            why=exc.strerror,
            hint="move away what is in its place (nothing was removed), or set SCORECARD_CACHE_DIR",
        ) from exc
    return path


def read(path: Path) -> str | None:
    """The text of a file, line ends as they are; None when there is no such file.

    Raises: InvalidInput for what is no file of UTF-8 text, is too long for Plexus, or lies outside the root.
    """
    real = _file(path)
    if real is None:
        return None
    try:
        if real.stat().st_size > MOST_BYTES:
            raise InvalidInput(f"{path} is too long", why=f"Plexus stores at most {MOST_BYTES // 1024} KB of it")
        return real.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{path} is not UTF-8 text", why=str(exc), hint="save it as UTF-8") from exc
    except OSError as exc:
        raise InvalidInput(f"{path} cannot be read", why=exc.strerror) from exc


def write(texts: Mapping[Path, str]) -> None:
    """Put texts into files, each file whole or as it was. All are written out before the first takes its place.

    Raises: InvalidInput when one cannot be written, lies outside the root, or something other than a file is in its place.
    """
    ready: list[tuple[Path, Path]] = []
    try:
        for path, text in texts.items():
            target = _file(prepared(path)) or _inside(path)
            beside = target.with_name(f".{ids.new_key()}.tmp")
            ready.append((beside, target))
            _write_out(beside, text)
            with suppress(FileNotFoundError):
                shutil.copymode(target, beside)
        for beside, target in ready:
            os.replace(beside, target)
    except (OSError, UnicodeError) as exc:
        raise InvalidInput(f"{' and '.join(map(str, texts))} cannot be written", why=str(exc)) from exc
    finally:
        for beside, _ in ready:
            with suppress(OSError):
                beside.unlink()


def bare_code(text: str) -> str:
    """Code without the lines that a pull of Plexus's own client puts above it, trimmed."""
    lines = text.split("\n")
    return "\n".join(line for line in lines if line.rstrip() != "#" and not line.startswith(_OURS)).strip()


def bare_guidelines(text: str) -> str:
    """Guidelines without the heading and comments that a pull of Plexus's own client puts above them, trimmed."""
    lines = text.split("\n")
    while lines and (not lines[0].strip() or lines[0].startswith(("# Guidelines for", "<!--"))):
        del lines[0]
    bare = "\n".join(lines).strip()
    return "" if bare == NO_GUIDELINES else bare


def _file(path: Path) -> Path | None:
    """Where a file really is; None when nothing is there. Raises: InvalidInput for anything but a file."""
    real = _inside(path)
    if not os.path.lexists(path):
        return None
    try:
        ordinary = stat.S_ISREG(real.stat().st_mode)  # reading a pipe would wait for ever
    except OSError:
        ordinary = False  # a link to nothing
    if not ordinary:
        raise InvalidInput(f"{path} is no file", hint="move away what is in its place; nothing was removed")
    return real


def _inside(path: Path) -> Path:
    """Where ``path`` leads, links followed. Raises: InvalidInput when that is outside the root."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root())):
        raise InvalidInput(
            f"{path} leads out of {root()}", why=f"a link takes it to {real}", hint="put a folder in place of the link"
        )
    return real


def _write_out(path: Path, text: str) -> None:
    with open(path, "x", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
