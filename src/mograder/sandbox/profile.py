"""What a session sees and may write: one profile, as bubblewrap arguments.

Every rule is here for a trap we met.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mograder.errors import SandboxError
from mograder.sandbox.bubblewrap import Arguments

HOME = "/home/student"
WORKSPACE = f"{HOME}/work"
UID = GID = 1000

# What a session's writable places are, so that the limits and the watchdog count them.
SCRATCH = ("/tmp", "/dev/shm", HOME)  # noqa: S108  (paths inside the sandbox)

_USERS = """\
root:x:0:0:root:/nonexistent:/usr/sbin/nologin
student:x:1000:1000:student:/home/student:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_GROUPS = "root:x:0:\nstudent:x:1000:\nnogroup:x:65534:\n"
_HOSTS = "127.0.0.1 localhost notebook\n::1 localhost\n"
_NSSWITCH = "passwd: files\ngroup: files\nhosts: files\n"  # no resolver, no directory service

_SYSTEM_FILES = (
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/mime.types"),
    *("/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/fonts"),
)
_LINKED_INTO_USR = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_LOCAL = ("/usr/local", "/usr/src")  # what administrators put there is not part of a notebook's world

# Of the host, not of the session: keys, boot options, kernel addresses, timers, disks.
_MASKED_FILES = tuple(
    f"/proc/{name}"
    for name in (
        *(
            "keys",
            "key-users",
            "timer_list",
            "kallsyms",
            "modules",
            "sched_debug",
            "kcore",
            "sysrq-trigger",
            "kmsg",
        ),
        *(
            "config.gz",
            "cmdline",
            "diskstats",
            "partitions",
            "interrupts",
            "softirqs",
            "vmallocinfo",
            "slabinfo",
        ),
    )
)
_MASKED_DIRECTORIES = tuple(f"/proc/{name}" for name in ("acpi", "scsi", "asound", "driver", "bus", "fs"))

MiB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A session's world.

    Sizes are bytes; ``inodes`` bounds the files in each of the three scratch places.

    ``read_only`` pairs a path outside with its path inside: the interpreter, the environment, a release. A
    forked session imports lazily, so these must have the same path on both sides. ``seccomp`` is a filter of
    ``seccomp.build``; an empty one means none, which only tests of the other layers want.
    """

    workspace: Path
    workspace_inside: str = WORKSPACE
    workspace_writable: bool = True
    read_only: tuple[tuple[Path, str], ...] = ()
    tmp_bytes: int = 128 * MiB
    shm_bytes: int = 64 * MiB
    home_bytes: int = 32 * MiB
    inodes: int = 20_000
    seccomp: bytes = b""
    die_with_parent: bool = False
    env: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.workspace_inside.startswith(f"{HOME}/"):
            # A tool that takes everything below /tmp for disposable or untrusted would meet the notebook
            # there.
            raise SandboxError(
                "A workspace lies below {home} inside its sandbox, not at {place}.",
                home=HOME,
                place=self.workspace_inside,
            )

    def environment(self) -> dict[str, str]:
        """The whole environment of a session: built from nothing."""
        basic = {
            "HOME": HOME,
            "USER": "student",
            "LANG": "C.UTF-8",
            "PATH": "/usr/bin:/bin",
            "TMPDIR": "/tmp",  # noqa: S108
        }
        return basic | dict(self.env)


def arguments(profile: Profile) -> Arguments:
    """The argument vector for a session. The caller closes it after the start."""
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(Arguments())
        _namespaces(made, profile)
        system(made)
        _processes(made)
        _scratch(made, profile)
        for outside, inside in profile.read_only:
            made.bind("--ro-bind", outside, inside)
        bind = "--bind" if profile.workspace_writable else "--ro-bind"
        made.bind(bind, profile.workspace, profile.workspace_inside)
        seal(made)
        made.add("--chdir", profile.workspace_inside)
        if profile.seccomp:
            made.add("--seccomp", made.data(profile.seccomp))
        undo.pop_all()
    return made


def _namespaces(made: Arguments, profile: Profile) -> None:
    made.add(
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup",
        "--unshare-net",
    )
    made.add("--uid", UID, "--gid", GID, "--hostname", "notebook")
    made.add("--new-session", "--disable-userns", "--assert-userns-disabled", "--cap-drop", "ALL")
    if profile.die_with_parent:  # bound to the thread that starts it: never from a worker thread that ends
        made.add("--die-with-parent")
    made.add("--clearenv")
    for name, value in profile.environment().items():
        made.add("--setenv", name, value)


def system(made: Arguments) -> None:
    """Programs and libraries of the host, read-only, with an /etc of our own. /usr/local starts out empty."""
    made.add("--ro-bind", "/usr", "/usr")
    for name in _LINKED_INTO_USR:
        path = Path(name)
        if path.is_symlink():
            made.add("--symlink", path.readlink(), name)
        elif path.is_dir():
            made.add("--ro-bind", name, name)
    for name in _LOCAL:
        if Path(name).is_dir():
            made.add("--tmpfs", name)
    made.add("--dir", "/etc")
    for name in _SYSTEM_FILES:
        if Path(name).exists():
            made.bind("--ro-bind", Path(name).resolve(), name)
    made.file(_USERS, "/etc/passwd")
    made.file(_GROUPS, "/etc/group")
    made.file(_HOSTS, "/etc/hosts")
    made.file(_NSSWITCH, "/etc/nsswitch.conf")
    made.file("", "/etc/resolv.conf")


def _processes(made: Arguments) -> None:
    made.add("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys")
    for name in _MASKED_FILES:
        if Path(name).exists():
            made.add("--ro-bind", "/dev/null", name)
    for name in _MASKED_DIRECTORIES:
        if Path(name).is_dir():
            made.add("--tmpfs", name, "--remount-ro", name)


def _scratch(made: Arguments, profile: Profile) -> None:
    """Private, bounded places to write. Unbounded, each would take half of the machine's memory."""
    made.add("--dev", "/dev")
    for size, mode, place in zip(
        (profile.tmp_bytes, profile.shm_bytes, profile.home_bytes),
        ("1777", "1777", "0700"),
        SCRATCH,
        strict=True,
    ):
        made.add("--perms", mode, "--size", size, "--tmpfs", place)
    made.add("--remount-ro", "/dev")


def seal(made: Arguments) -> None:
    """Last of the mounts: the root itself and the covers over /usr become read-only.

    Mount points are made by then.
    """
    for name in _LOCAL:
        if Path(name).is_dir():
            made.add("--remount-ro", name)
    made.add("--remount-ro", "/")
