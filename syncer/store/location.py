"""Where the database is: a path, or a SQLite URL that names one."""

from __future__ import annotations

from pathlib import Path

from syncer.errors import SettingError


def path_of(db: str) -> Path:
    """The file that ``db`` (a path or ``sqlite:///path``) means.

    Raises: SettingError for a database in memory, which could not keep its promise, and for other systems.
    """
    if db.startswith("sqlite://"):
        rest = db.removeprefix("sqlite://").split("?", 1)[0]
        db = rest[1:] if rest.startswith("/") else rest
    elif "://" in db:
        system = db.split("://", 1)[0]
        raise SettingError(f"{system} databases are not supported yet", hint="--db takes a path or sqlite:///path")
    if db in ("", ":memory:"):
        raise SettingError("a database in memory cannot keep writes", hint="--db takes the path of a file")
    if "\0" in db:
        raise SettingError("the path of the database holds a null character", hint="--db takes the path of a file")
    return Path(db).expanduser()
