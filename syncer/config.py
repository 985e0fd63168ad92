"""Settings, from options, environment and ``syncer.toml``, in that order of precedence.

The file is the one named by ``--config`` or ``SYNCER_CONFIG``, else ``syncer.toml`` in the user's configuration folder. The
current folder is never searched: a checked-out folder must not be able to redirect credentials to another host.

.. code-block:: toml

    db = "/data/syncer.db"
    durability = "full"             # or "normal": a power cut may cost the last writes
    allow = []                      # where writes can be lost: "hard-link", "mounted-file", "file-system"

    [REMOTE]                        # one table for each remote, by its name
    api_url = "https://example.com/graphql"
    account_key = "my-account"

    [REMOTE.merge]                  # who wins where both sides changed the same: theirs, ours, newest or ask
    default = "ask"
    ScoreResult = "theirs"
    "ScoreResult.explanation" = "ours"

    [REMOTE.pull]                   # what is pulled, where not everything is wanted; also: models, exclude, accounts
    scorecards = ["quality"]
    since = 2026-10-01

    [profile.staging.REMOTE]        # --profile staging: these win over the tables above
    api_url = "https://staging.example/graphql"

The database is a path, or a SQLite URL that names one. Standard library only.

SQLite's locks hold among those who see one inode, one ``-wal`` and one ``-shm`` through one kernel. Where that is not so,
accepted writes vanish without an error, so it is refused before the file is opened. What is refused is decided from a mount
table and a link count that are given; only :func:`dangers` looks at this machine.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncer.errors import SettingError, UnsafeLocation

DURABILITIES = ("full", "normal")
DANGERS = ("hard-link", "mounted-file", "file-system")
"""What makes a place unsafe for the database, and can be allowed."""
_KINDS: Mapping[type[object], str] = {str: "text", bool: "true or false", float: "a number"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a remote: its name in the file, its environment variable, whether it is a secret or optional.

    ``kind``: what the file may hold besides text, a flag (bool) or a number (float).
    """

    name: str
    env: str
    secret: bool = False
    optional: bool = False
    kind: type[object] = str

    def spelled(self, value: object) -> str | None:
        """``value`` of the file or environment as text; None when it is not of this kind."""
        if isinstance(value, bool):
            return str(value).lower() if self.kind is bool else None
        if isinstance(value, int | float):
            return repr(value) if self.kind is float else None
        return value.strip() if isinstance(value, str) else None


@dataclass(frozen=True)
class Settings:
    """What was resolved. ``db`` is a path, or a SQLAlchemy URL. Credentials never show in its repr."""

    db: str
    durability: str = "full"
    allow: frozenset[str] = frozenset()
    profile: str | None = None
    config_path: Path | None = None
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def table(self, remote: str, name: str) -> Mapping[str, Any]:
        """The table ``[remote.name]`` of the file, empty when there is none. Raises: SettingError when it is no table."""
        section = self.tables.get(remote, {})
        found = section.get(name, {}) if isinstance(section, Mapping) else section
        if not isinstance(found, Mapping):
            raise SettingError(f"[{remote}.{name}] in {self.config_path} must be a table")
        return found

    def remote(self, name: str, declared: tuple[Setting, ...]) -> dict[str, str]:
        """The settings of one remote that have a value; environment first, then file."""
        section = self.tables.get(name, {})
        if not isinstance(section, Mapping):
            raise SettingError(f"[{name}] in {self.config_path} must be a table")
        found: dict[str, str] = {}
        for setting in declared:
            value = self.environ.get(setting.env) or section.get(setting.name)
            if value is None or value == "":
                continue
            text = setting.spelled(value)
            if text is None:
                wanted = _KINDS[setting.kind]
                raise SettingError(f"{name}.{setting.name} in {self.config_path} must be {wanted}")
            found[setting.name] = text
        return found


def load(
    db: str | os.PathLike[str] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Resolve settings as every command does.

    Raises: SettingError naming the setting, when a named file or profile is missing or a value is malformed.
    """
    environ = os.environ if environ is None else environ
    path, tables = _file(config or environ.get("SYNCER_CONFIG"))
    profile = profile or environ.get("SYNCER_PROFILE") or None
    if profile:
        tables = _with_profile(tables, profile, path)
    durability = environ.get("SYNCER_DURABILITY") or tables.get("durability", "full")
    if durability not in DURABILITIES:
        raise SettingError(f"durability must be one of {', '.join(DURABILITIES)}, not {durability!r}")
    allow = _allowed(environ.get("SYNCER_ALLOW") or tables.get("allow", ()))
    chosen = db or environ.get("SYNCER_DB") or tables.get("db") or default_db()
    return Settings(
        db=os.fspath(chosen),
        durability=durability,
        allow=allow,
        profile=profile,
        config_path=path,
        tables=tables,
        environ=dict(environ),
    )


def default_db() -> Path:
    """``syncer.db`` in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("syncer", appauthor=False) / "syncer.db"


def _allowed(given: object) -> frozenset[str]:
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else given
    if not isinstance(words, list | tuple):
        raise SettingError(f"allow must be a list, not {given!r}", hint=f"allow takes {', '.join(DANGERS)}")
    for word in words:
        if word not in DANGERS:
            raise SettingError(f"there is no {word!r} to allow", hint=f"allow takes {', '.join(DANGERS)}")
    return frozenset(words)


def _file(named: str | os.PathLike[str] | None) -> tuple[Path | None, dict[str, Any]]:
    if named:
        path = _named(named)
        if not _is_file(path):
            raise SettingError(f"no configuration file at {path}", hint="create it, or leave --config and SYNCER_CONFIG out")
    else:
        from platformdirs import user_config_path

        path = user_config_path("syncer", appauthor=False) / "syncer.toml"
        if not _is_file(path):
            return None, {}
    import tomllib

    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingError(f"{path} is not valid TOML", why=str(exc)) from exc
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _named(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as exc:
        raise SettingError(f"nobody knows whose home {path} means", why=str(exc), hint="check the path") from exc


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, exc: OSError) -> SettingError:
    return SettingError(f"{path} cannot be read", why=exc.strerror, hint="check the path and its permissions")


def _with_profile(tables: dict[str, Any], profile: str, path: Path | None) -> dict[str, Any]:
    profiles = tables.get("profile", {})
    if profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise SettingError(f"there is no profile {profile!r} in {path or 'syncer.toml'}", hint=f"profiles: {known}")
    merged = {name: value for name, value in tables.items() if name != "profile"}
    return _over(merged, profiles[profile])


def _over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` on top of ``below``, table by table."""
    merged = dict(below)
    for name, value in above.items():
        lower = merged.get(name)
        merged[name] = _over(lower, value) if isinstance(value, dict) and isinstance(lower, dict) else value
    return merged


_MOUNTS = "/proc/self/mountinfo"

LOCAL = frozenset(
    (
        # Disks of this machine, whose locks and shared memory one kernel keeps for everybody.
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "bcachefs", "zfs", "f2fs", "jfs", "nilfs2", "reiserfs", "ubifs"),
        *("apfs", "hfs", "hfsplus", "ntfs", "ntfs3", "vfat", "msdos", "exfat", "udf"),
        *("overlay", "ecryptfs"),  # layers over one of these
        *("tmpfs", "ramfs", "rootfs"),  # memory
        *("squashfs", "erofs", "iso9660", "cramfs"),  # nobody can write there
    )
)
"""Kinds of file systems, as the kernel calls them, that are known to be good. All others are not, FUSE in all its forms
included: what stands behind it may be another machine, or a mirror."""
MEMORY = frozenset(("tmpfs", "ramfs", "rootfs"))


class Mount:  # plain classes: making others costs a millisecond of every command
    """One line of a mount table: its number and its parent's, where it is, and what kind of file system."""

    __slots__ = ("kind", "number", "parent", "point")

    def __init__(self, number: str, parent: str, point: str, kind: str) -> None:
        self.number = number
        self.parent = parent
        self.point = point
        self.kind = kind


class Danger:
    """Why a place cannot keep the promise. ``word``: what allows it all the same, which costs what ``lost`` says."""

    __slots__ = ("cure", "lost", "what", "why", "word")

    def __init__(self, word: str, what: str, why: str, cure: str, lost: str) -> None:
        self.word = word
        self.what = what
        self.why = why
        self.cure = cure
        self.lost = lost

    @property
    def hint(self) -> str:
        """What to do, and what else there is."""
        return f"{self.cure}; or SYNCER_ALLOW={self.word} opens it all the same, and {self.lost}"


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
    try:
        return Path(db).expanduser()
    except RuntimeError as exc:
        raise SettingError(
            f"nobody knows whose home {db} means", why=str(exc), hint="--db takes the path of a file"
        ) from exc


def require_safe(path: Path, allowed: Collection[str] = frozenset()) -> None:
    """Raises: UnsafeLocation where accepted writes could vanish, unless its word is ``allowed``."""
    for danger in dangers(path):
        if danger.word not in allowed:
            raise UnsafeLocation(danger.what, record=str(path), why=danger.why, hint=danger.hint)


def dangers(path: Path) -> list[Danger]:
    """Everything about the place of ``path`` that could cost accepted writes, on this machine as it is now.

    Costs a look at each folder above, one at the file, and a read of the mount table where there is one.
    """
    try:
        real = os.path.realpath(path)
    except OSError:  # the current folder is gone: whoever opens the file says so
        return []
    try:
        found = os.stat(real)
    except (OSError, ValueError):  # it is made later, or whoever opens it says why it cannot be reached
        links = None
    else:
        if not stat.S_ISREG(found.st_mode):  # that is told when it is opened
            return []
        links = found.st_nlink
    if os.name == "nt":
        return judged(real, links, (), kind="network share" if is_share(real) else None)
    return judged(real, links, mounts_of(_table()))


def judged(real: str, links: int | None, mounts: Sequence[Mount], kind: str | None = None) -> list[Danger]:
    """What is wrong with the file at ``real``, a path without links in it.

    ``links``: its link count, None where there is no file yet. ``mounts``: the mount table; empty where nobody tells, and
    then ``kind`` is all that is known of the file system.
    """
    mount = mount_of(real, mounts)
    found = []
    if links is not None and links > 1:
        found.append(_hard_link(real, links))
    if links is not None and mount is not None and mount.point == real:
        found.append(_MOUNTED)
    kind = mount.kind if mount is not None else kind
    if kind is not None and kind not in LOCAL:
        found.append(_file_system(kind))
    return found


def file_system(path: Path) -> str | None:
    """The kind of file system that ``path`` is on, None where it cannot be told: macOS and Windows have no mount table."""
    mount = mount_of(os.path.realpath(path), mounts_of(_table()))
    return mount.kind if mount else None


def mounts_of(table: str) -> list[Mount]:
    """The lines of ``table`` (/proc/self/mountinfo), in its order; those that are none are left out."""
    found = []
    for line in table.split("\n"):  # a name may hold any other kind of line end
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 5 and after:
            found.append(Mount(fields[0], fields[1], _unescaped(fields[4]), after.partition(" ")[0]))
    return found


def mount_of(real: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount that ``real`` lies in, or None.

    Followed as the kernel does, from the root down and through each mount that lies on the way: the longest mount point is
    not always it, since a later mount of a folder above hides those that were there.
    """
    numbers = {mount.number for mount in mounts}
    upon: dict[tuple[str | None, str], Mount] = {}
    for mount in mounts:
        inner = mount.parent in numbers and mount.parent != mount.number
        upon[mount.parent if inner else None, mount.point] = mount
    here: Mount | None = None
    at = "/"
    for name in real.split("/"):
        at = f"{at.rstrip('/')}/{name}"
        above = upon.pop((here.number if here else None, at), None)
        while above is not None:  # taken out, so that no table can lead in a circle
            here = above
            above = upon.pop((here.number, at), None)
    return here


def is_share(path: str) -> bool:
    r"""Whether a Windows path leads to another machine: ``\\server\share``, or the long form ``\\?\UNC\server\share``."""
    start = path.replace("/", "\\")
    if start.startswith(("\\\\?\\", "\\\\.\\")):
        return start[4:8].upper() == "UNC\\"
    return start.startswith("\\\\")


def _table() -> str:
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            return file.read()
    except OSError:
        return ""


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)  # compiled by the few that need it


def _hard_link(real: str, links: int) -> Danger:
    from shlex import quote

    own = quote(f"{real}.own")
    return Danger(
        "hard-link",
        "the database file has more than one name, and under each SQLite keeps another log",
        f"{links} names (hard links; cp -l and some backups make such)",
        f"end every program that uses it under any name, then give this one a file of its own: "
        f"cp -p {quote(real)} {own} && mv {own} {quote(real)}",
        "what is accepted while it is used under two names is lost",
    )


_MOUNTED = Danger(
    "mounted-file",
    "the database file is mounted by itself, and its log does not lie where others who use the file look for it",
    "a single file is mounted there, without its folder",
    "mount the folder that holds it instead",
    "what is accepted while somebody else uses it, or before this container is removed, is lost",
)


def _file_system(kind: str) -> Danger:
    return Danger(
        "file-system",
        "the database is on a file system whose locks are not known to reach everybody who uses it",
        kind,
        "keep it on a disk of this machine (--db, SYNCER_DB)",
        "what is accepted while two machines, or a container and its host, use it is lost",
    )
