"""Where a database may lie: decided from given mount tables and link counts, and tried with what this machine can make."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syncer import Workspace, config
from syncer.config import Danger, is_share, judged, mount_of, mounts_of
from syncer.errors import DatabaseError, UnsafeLocation
from tests.factory import account
from tests.files import rows
from tests.rigs.writing import ran

MACHINE = r"""
22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,discard
30 27 0:40 / /mnt/nfs rw,relatime - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /mnt/nfs/local rw - tmpfs tmpfs rw
32 27 0:42 / /mnt/my\040share rw - cifs //server/share rw
33 27 0:43 / /mnt/a\012b\011c\134d rw - fuse.sshfs me@host:/ rw
34 27 0:44 / /mnt/ünï rw - 9p share rw
odd
35 27 0:45 / /mnt/vm rw master:3 propagate_from:2 - virtiofs vm rw
36 27 0:46 / /var/lib/docker/overlay2/1/merged rw - overlay overlay rw,lowerdir=/l,upperdir=/u
37 27 254:0 /home/me /srv/bound rw - ext4 /dev/vda1 rw
38 27 0:47 / /mnt/usb rw - fuseblk /dev/sdb1 rw
39 27 0:48 / /home/me/Drive rw - fuse.rclone drive: rw
40 27 0:49 / /mnt/vbox rw - vboxsf shared rw
41 27 0:50 / /mnt/zfs rw - zfs tank/data rw
"""
CONTAINER = r"""
500 499 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/u
501 500 254:0 /home/me/lab.db /data/lab.db rw - ext4 /dev/vda1 rw
502 500 254:0 /home/me/data /whole rw - ext4 /dev/vda1 rw
503 500 0:61 / /shared rw - fuse.grpcfuse grpcfuse rw
504 500 254:0 /home/me/my\040lab.db /data/my\040lab.db rw - ext4 /dev/vda1 rw
505 500 0:62 / /host rw - fakeowner /run/host_mark/Users rw
"""
OVER = r"""
1 1 0:1 / / rw - rootfs rootfs rw
20 1 8:1 / / rw - xfs /dev/sda1 rw
21 20 0:30 / /a/deep rw - nfs4 server:/ rw
22 20 8:2 / /a rw - btrfs /dev/sda2 rw
23 22 8:3 / /a/other rw - ext4 /dev/sda3 rw
24 23 0:31 / /a/other rw - 9p later rw
25 20 0:32 / /b rw - 9p share rw
26 25 8:4 / /b/in rw - ext4 /dev/sda4 rw
"""


def words(real: str, links: int | None, table: str) -> list[str]:
    """The dangers of a place, by their words."""
    return [danger.word for danger in judged(real, links, mounts_of(table))]


@pytest.mark.parametrize(
    ("table", "real", "kind"),
    [
        (MACHINE, "/home/me/a.db", "ext4"),
        (MACHINE, "/mnt/nfs/a.db", "nfs4"),
        (MACHINE, "/mnt/nfs/local/deep/a.db", "tmpfs"),
        (MACHINE, "/mnt/nfsother/a.db", "ext4"),
        (MACHINE, "/mnt/my share/deep/a.db", "cifs"),
        (MACHINE, "/mnt/a\nb\tc\\d/a.db", "fuse.sshfs"),
        (MACHINE, "/mnt/ünï/a.db", "9p"),
        (MACHINE, "/mnt/vm/a.db", "virtiofs"),
        (MACHINE, "/srv/bound/a.db", "ext4"),
        (OVER, "/x.db", "xfs"),
        (OVER, "/a/deep/x.db", "btrfs"),
        (OVER, "/a/other/x.db", "9p"),
        (OVER, "/b/x.db", "9p"),
        (OVER, "/b/in/x.db", "ext4"),
        ("7 3 8:1 / /jail/data rw - nfs server:/ rw", "/jail/data/x.db", "nfs"),
        ("7 3 8:1 / /jail/data rw - nfs server:/ rw", "/jail/x.db", None),
        ("5 6 8:1 / / rw - ext4 a rw\n6 5 8:2 / / rw - nfs b rw", "/x.db", None),
        ("", "/x.db", None),
    ],
)
def test_the_mount_of_a_file_is_found_as_the_kernel_finds_it(table: str, real: str, kind: str | None) -> None:
    """Nested mounts, one put over another later, names with blanks and line ends, tables without a root or in a circle."""
    found = mount_of(real, mounts_of(table))
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "f2fs", "overlay", "tmpfs", "apfs", "ntfs3", "vfat"])
def test_disks_of_this_machine_are_good(kind: str) -> None:
    """What one kernel keeps is known to be good."""
    assert words("/d/x.db", 1, f"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /d rw - {kind} b rw") == []


@pytest.mark.parametrize(
    "kind",
    [
        "nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "fuse", "fuseblk", "fuse.sshfs",
        "fuse.rclone", "fuse.mergerfs", "fuse.gcsfuse", "fuse.bindfs", "fuse.vmhgfs-fuse", "fuse.grpcfuse", "fakeowner",
        "ceph", "lustre", "gfs2", "ocfs2", "afs", "glusterfs", "beegfs", "drvfs", "hostfs", "something-new",
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_good_is_refused(kind: str) -> None:
    """Network, mirrored, FUSE and shared folders, and whatever nobody has heard of yet, for files that are new as well."""
    table = f"1 0 8:1 / / rw - ext4 a rw\n2 1 0:9 / /d rw - {kind} b rw"
    assert words("/d/x.db", 1, table) == words("/d/new.db", None, table) == ["file-system"]
    (danger,) = judged("/d/x.db", 1, mounts_of(table))
    assert danger.why == kind
    assert "--db" in danger.hint
    assert "SYNCER_ALLOW=file-system" in danger.hint


@pytest.mark.parametrize(
    ("real", "links", "found"),
    [
        ("/data/lab.db", 1, ["mounted-file"]),
        ("/data/my lab.db", 1, ["mounted-file"]),
        ("/data/lab.db", 2, ["hard-link", "mounted-file"]),
        ("/data/other.db", 1, []),
        ("/whole/lab.db", 1, []),
        ("/whole", None, []),
        ("/shared/lab.db", 3, ["hard-link", "file-system"]),
        ("/host/lab.db", 1, ["file-system"]),
        ("/inside.db", 1, []),
        ("/inside.db", 2, ["hard-link"]),
    ],
)
def test_what_a_container_is_given(real: str, links: int | None, found: list[str]) -> None:
    """A file mounted by itself is refused, the folder that holds it is good, and each danger is told of its own."""
    assert words(real, links, CONTAINER) == found


def test_without_a_mount_table_the_file_system_is_not_refused() -> None:
    """Where nobody tells the kind (macOS, Windows) it is allowed; names are counted there too."""
    assert words("/Users/me/a.db", 1, "") == []
    assert words("/Users/me/a.db", 2, "") == ["hard-link"]
    (share,) = judged(r"\\server\lab\a.db", 1, (), kind="network share")
    assert (share.word, share.why) == ("file-system", "network share")


@pytest.mark.parametrize(
    ("path", "share"),
    [
        (r"\\server\lab\a.db", True), ("//server/lab/a.db", True), (r"\\?\UNC\server\lab\a.db", True),
        (r"\\?\C:\lab\a.db", False), (r"C:\lab\a.db", False), (r"\\.\C:\a.db", False), (r"\lab\a.db", False),
    ],
)  # fmt: skip
def test_windows_paths_of_other_machines_are_known(path: str, share: bool) -> None:
    """Both spellings of a share are one, and no disk is taken for it."""
    assert is_share(path) is share


def test_every_danger_can_be_allowed_by_its_word() -> None:
    """The words of the setting are those of the dangers, and each hint says what allowing it costs."""
    found: list[Danger] = judged("/shared/x.db", 2, mounts_of(CONTAINER))
    found += judged("/data/lab.db", 1, mounts_of(CONTAINER))
    assert {danger.word for danger in found} == set(config.DANGERS)
    for danger in found:
        assert danger.hint == f"{danger.cure}; or SYNCER_ALLOW={danger.word} opens it all the same, and {danger.lost}"
        assert danger.lost.endswith("lost")


def test_a_second_name_is_refused_until_it_is_allowed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hard link: no workspace and no command opens either name, with what helps; allowed, both do [I1]."""
    with Workspace.open(path) as ws:
        account(ws)
    other = tmp_path / "other.db"
    os.link(path, other)
    for name in (path, other):
        with pytest.raises(UnsafeLocation) as caught:
            Workspace.open(name)
        assert caught.value.record == str(name)
        assert "cp -p" in (caught.value.hint or "")
    for command in (("query", "SELECT 1"), ("status",), ("init",), ("db", "check"), ("db", "backup"), ("plan",)):
        ended = ran(other, *command)
        assert (ended.code, "SYNCER_ALLOW=hard-link" in ended.said) == (5, True), (command, ended)
    monkeypatch.setenv("SYNCER_ALLOW", "file-system, hard-link")
    with Workspace.open(path) as ws:
        account(ws, key="second")
    assert ran(path, "query", "SELECT 1").code == 0


def test_the_cure_of_a_second_name_cures_it(path: Path, tmp_path: Path) -> None:
    """The command in the hint, typed as it stands, gives the file a name of its own with everything in it."""
    odd = tmp_path / "it's a file.db"
    with Workspace.open(odd) as ws:
        account(ws)
    os.link(odd, path)
    with pytest.raises(UnsafeLocation) as caught:
        Workspace.open(odd)
    command = (caught.value.hint or "").partition("its own: ")[2].partition("; or SYNCER_ALLOW")[0]
    subprocess.run(["sh", "-c", command], check=True)
    with Workspace.open(odd) as ws:
        assert len(ws.plexus.find("Account")) == 1


def test_a_folder_and_a_pipe_are_no_second_names(tmp_path: Path) -> None:
    """A folder has many links by nature: what is said of it is that it is no file."""
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    assert config.dangers(tmp_path / "folder") == []
    with pytest.raises(DatabaseError, match="is a folder"):
        Workspace.open(tmp_path / "folder")


_CAN_MOUNT = (
    shutil.which("unshare") is not None
    and not subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"], capture_output=True, check=False
    ).returncode
)
_MOUNTED = """
mount --bind "$1" "$2" && exec "$3" -c '
import sys; from pathlib import Path; from syncer.config import dangers
print([danger.word for path in sys.argv[1:] for danger in dangers(Path(path))])' "$2" "$1" "$4"
"""


def test_a_file_that_is_mounted_by_itself_is_seen(tmp_path: Path) -> None:
    """Where this machine lets a test mount: a bind mount at a name with a blank and a line end is found, and only there."""
    place = tmp_path / "odd\n name"
    place.mkdir()
    for name in ("real.db", "seen.db", "beside.db"):
        (place / name).touch()
    arguments = (str(place / "real.db"), str(place / "seen.db"), sys.executable, str(place / "beside.db"))
    if not _CAN_MOUNT:
        assert config.dangers(place / "seen.db") == []
        return
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", _MOUNTED, "sh", *arguments], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['mounted-file']\n", "")


def test_what_lies_here_is_good(path: Path) -> None:
    """A new file in a temporary folder, and the sample, on a kind of file system that is known or cannot be told."""
    for each in (path, Path(__file__).parents[2] / "sample.db"):
        assert config.dangers(each) == []
        assert config.file_system(each) in {*config.LOCAL, None}


def test_the_setting_is_read_from_everywhere(path: Path, tmp_path: Path) -> None:
    """``allow`` in the file and its profile are as good as the environment, for commands that read no file otherwise."""
    with Workspace.open(path) as ws:
        account(ws)
    os.link(path, tmp_path / "other.db")
    file = tmp_path / "syncer.toml"
    file.write_text(f"db = {str(path)!r}\nallow = ['hard-link']\n")
    with Workspace.open(config=file) as ws:
        assert rows(ws.path, "SELECT count(*) FROM outbox") == [(1,)]
    assert ran(path, "query", "SELECT 1").code == 5
    assert ran(path, "--config", str(file), "query", "SELECT 1").code == 0
