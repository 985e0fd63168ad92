"""Takes away what only POSIX has, then imports all of syncer and uses it: ``python bare.py DATABASE``.

What the standard library and others need of it while they are imported they get first: they know their systems themselves.
Prints the exit code of each command, then ``done``.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys

_THEIRS = (
    "asyncio", "concurrent.futures", "logging", "multiprocessing", "platform", "random", "socket", "ssl", "subprocess",
    "tempfile", "platformdirs", "uuid", "alembic.command", "click", "graphql", "pydantic", "requests",
    "rich.console", "rich.progress", "sqlalchemy", "starlette.applications", "urllib3", "uvicorn", "yaml",
)  # fmt: skip
_MODULES = ("fcntl", "grp", "posix_ipc", "pty", "pwd", "resource", "syslog", "termios", "tty")
_OF_OS = (
    "O_CLOEXEC", "O_DIRECTORY", "O_DSYNC", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "WNOHANG", "chown", "fchmod", "fchown",
    "fdatasync", "fork", "forkpty", "fstatvfs", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "killpg",
    "lchown", "lockf", "mkfifo", "nice", "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite", "pwritev",
    "register_at_fork", "sched_getaffinity", "sendfile", "setsid", "sync", "sysconf", "uname", "wait", "waitid",
)  # fmt: skip
_OF_SIGNAL = (
    "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2",
    "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt", "sigwait",
)  # fmt: skip


def main(path: str) -> None:
    """Everything, in this order."""
    for name in _THEIRS:
        importlib.import_module(name)
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in ((os, _OF_OS), (signal, _OF_SIGNAL)):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    import syncer

    for found in pkgutil.walk_packages(syncer.__path__, "syncer."):
        importlib.import_module(found.name)
    os.environ["SYNCER_DB"] = path
    from syncer.cli.main import run

    said = [run(["init"])]
    with syncer.Workspace.open(path) as ws:
        ws.plexus.create("Account", {"name": "Lab", "key": "lab"})
        ws.plan()
    commands = ("query|SELECT key FROM outbox", "status", "doctor", "plan", "outbox|list", "db|check", "db|backup", "config")
    said += [run(command.split("|")) for command in commands]
    sys.stderr.write(f"{' '.join(map(str, said))}\ndone\n")


if __name__ == "__main__":
    main(sys.argv[1])
