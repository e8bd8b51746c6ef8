"""Control groups: one per session, of version 2 where a subtree is delegated to us, else of version 1."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mograder.errors import SandboxError, exhausted
from mograder.sandbox.limits import Limits, Means

MOUNT = Path("/sys/fs/cgroup")
HUB = "hub"
"""The group, beside those of sessions, that the hub itself is in: systemd's DelegateSubgroup puts it there, or we."""

_NOWHERE = Path("/nonexistent")
V1_CONTROLLERS = ("memory", "pids", "cpu")
V2_CONTROLLERS = ("memory", "pids", "cpu")

_PERIOD = 100_000  # microseconds; the kernel's own default
_PREFIX = "mograder-"
_ENGINE = "engine"
_REMOVAL_TIMEOUT = 2.0  # seconds
_YOUNG = 10.0  # seconds: an engine may be just about to enter


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a session used.

    ``out_of_memory`` counts kills, ``refused_forks`` processes that it could not have.
    """

    memory_bytes: int
    processes: int
    cpu_seconds: float
    out_of_memory: int
    refused_forks: int


class Cgroup:
    """One session's control group: a directory (version 2), or one in each controller's tree (version 1)."""

    def __init__(self, version: int, directories: dict[str, Path]) -> None:
        self._version = version
        self._directories = directories

    def open_procs(self) -> list[int]:
        """Descriptors through which a process enters by writing ``0``.

        Rights are judged now, not when it does.
        """
        opened: list[int] = []
        with contextlib.ExitStack() as undo:
            for directory in sorted(set(self._directories.values())):
                descriptor = os.open(directory / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
                undo.callback(os.close, descriptor)
                opened.append(descriptor)
            undo.pop_all()
        return opened

    def pids(self) -> list[int]:
        directory = next(iter(self._directories.values()))
        return [int(line) for line in (directory / "cgroup.procs").read_text().split()]

    def usage(self) -> Usage:
        """Counters of now. A counter that the host does not keep is 0."""
        if self._version == 2:
            return Usage(
                memory_bytes=_number(self._directories["memory"] / "memory.current"),
                processes=_number(self._directories["pids"] / "pids.current"),
                cpu_seconds=_field(self._directories["cpu"] / "cpu.stat", "usage_usec") / 1e6,
                out_of_memory=_field(self._directories["memory"] / "memory.events", "oom_kill"),
                refused_forks=_field(self._directories["pids"] / "pids.events", "max"),
            )
        return Usage(
            memory_bytes=_number(self._directories["memory"] / "memory.usage_in_bytes"),
            processes=_number(self._directories["pids"] / "pids.current"),
            cpu_seconds=_number(self._directories.get("cpuacct", _NOWHERE) / "cpuacct.usage") / 1e9,
            out_of_memory=_field(self._directories["memory"] / "memory.oom_control", "oom_kill"),
            refused_forks=_field(self._directories["pids"] / "pids.events", "max"),
        )

    def kill(self) -> None:
        """End every process in the group, at once: a process held back by a limit would be slow even to die."""
        self._lift()
        with contextlib.suppress(FileNotFoundError):  # a kernel before 5.14, or version 1
            if self._version == 2:
                _write(self._directories["pids"] / "cgroup.kill", "1")
                return
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _lift(self) -> None:
        memory, cpu = self._directories["memory"], self._directories["cpu"]
        if self._version == 2:
            settings = {memory / "memory.max": "max", cpu / "cpu.max": "max"}
        else:  # in the order in which they can be raised
            names = ("memory.memsw.limit_in_bytes", "memory.limit_in_bytes")
            settings = {memory / name: "-1" for name in names} | {cpu / "cpu.cfs_quota_us": "-1"}
        for path, value in settings.items():
            _write_if_there(path, value)

    def remove(self) -> bool:
        """Remove the group; False when processes are still in it after two seconds."""
        return not [left for left in set(self._directories.values()) if not _remove(left)]


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A place where control groups can be made.

    ``means`` says of which kind, ``base`` where, by controller.
    """

    means: Means
    base: dict[str, Path]

    @property
    def version(self) -> int:
        return 2 if self.means == "cgroup v2" else 1

    def session(self, name: str, limits: Limits) -> Cgroup:
        """A new, empty group with these limits. Raises SandboxError."""
        directories = {controller: base / name for controller, base in self.base.items()}
        made = Cgroup(self.version, directories)
        try:
            for directory in set(directories.values()):
                directory.mkdir(exist_ok=True)
            _limit(self.version, directories, limits)
        except OSError as error:
            made.remove()
            raise exhausted(error) or SandboxError(
                "No control group could be made for {name}: {error}.", name=name, error=error
            ) from error
        return made

    def moved(self, inside: str) -> Tree:
        """The same tree as a jail sees it that has it mounted at ``inside``."""
        return Tree(
            means=self.means, base=dict(zip(self.base, map(Path, self._insides(inside)), strict=True))
        )

    def binds(self, inside: str) -> tuple[tuple[Path, str], ...]:
        """What a jail must mount, writable, for ``moved(inside)`` to be true."""
        return tuple(dict(zip(self.base.values(), self._insides(inside), strict=True)).items())

    def give(self, uid: int, gid: int) -> None:
        """Let another user make groups here (a jailed engine that is not root). Raises SandboxError."""
        for base in set(self.base.values()):
            for path in (
                base,
                base / "cgroup.procs",
                base / "cgroup.subtree_control",
                base / "cgroup.threads",
            ):
                if not path.exists():
                    continue
                try:
                    os.chown(path, uid, gid)
                except OSError as error:
                    raise SandboxError(
                        "Control groups can not be given to user {uid} ({reason}).",
                        uid=uid,
                        reason=error.strerror,
                    ) from error

    def remove(self) -> bool:
        """Remove the tree and the groups in it; False when processes are still in one after two seconds."""
        return not [base for base in set(self.base.values()) if not _remove_all(base, _REMOVAL_TIMEOUT)]

    def _insides(self, inside: str) -> list[str]:
        return [inside if self.version == 2 else f"{inside}/{controller}" for controller in self.base]


def engine_group(path: Path) -> int | None:
    """A descriptor through which a session engine enters a group of its own in a tree; None: ``path`` is no tree.

    From there it may send its children to sessions' groups, which version 2 judges by the tree that holds both; and a
    tree that an engine has entered and left is known to be nobody's any more. Raises OSError.
    """
    if not (path / "cgroup.procs").exists():
        return None
    (path / _ENGINE).mkdir(exist_ok=True)
    return os.open(path / _ENGINE / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)


def find(mount: Path = MOUNT) -> Tree | None:
    """A new tree of the best kind that this process may make; None when it may make none.

    Tries, does not guess. Trees beside it that were left by engines that ended badly are removed.
    """
    for attempt in (_version_2, _version_1):
        tree = attempt(mount)
        if tree is not None:
            return tree
    return None


def _version_2(mount: Path) -> Tree | None:
    """A group below our own, which must have been delegated: ``Delegate=yes`` in a systemd unit does it.

    A group that hands controllers to children may hold no process itself, so we move ourselves into a leaf
    first.
    """
    own = _own_group("0", "")
    if own is not None and PurePosixPath(own).name == HUB:
        own = str(
            PurePosixPath(own).parent
        )  # an earlier tree of ours, or DelegateSubgroup, has put us into the leaf
    for root in (mount, mount / "unified"):
        parent = root / own.lstrip("/") if own is not None else None
        if parent is None or not (parent / "cgroup.controllers").exists():
            continue
        if not set(V2_CONTROLLERS) <= set((parent / "cgroup.controllers").read_text().split()):
            continue
        base = parent / _new_name()
        try:
            _leave_to_leaf(parent)
            _delegate(parent)
            base.mkdir()
            _delegate(base)
            _sweep(parent)
        except OSError:
            _remove(base)
            continue
        return Tree(means="cgroup v2", base=dict.fromkeys(V2_CONTROLLERS, base))
    return None


def _version_1(mount: Path) -> Tree | None:
    name = _new_name()
    base: dict[str, Path] = {}
    # Counting the processor is a controller of its own, or the same directory under another name, or absent.
    counting = ("cpuacct",) if (mount / "cpuacct").is_dir() else ()
    for controller in (*V1_CONTROLLERS, *counting):
        own = _own_group(None, controller)
        parent = mount / controller / (own or "").lstrip("/")
        if not parent.is_dir():  # in a container the path is the host's, the mount is ours
            parent = mount / controller
        try:
            (parent / name).mkdir(exist_ok=True)
            _sweep(parent)
        except OSError:
            for made in base.values():
                _remove(made)
            return None
        base[controller] = parent / name
    return Tree(means="cgroup v1", base=base)


def _limit(version: int, directories: dict[str, Path], limits: Limits) -> None:
    memory, pids, cpu = (directories[controller] for controller in ("memory", "pids", "cpu"))
    _write(pids / "pids.max", str(limits.processes))
    quota = None if limits.cpu_cores is None else int(limits.cpu_cores * _PERIOD)
    if version == 2:
        _write(memory / "memory.max", str(limits.memory_bytes))
        _write_if_there(memory / "memory.swap.max", "0")
        _write(memory / "memory.oom.group", "1")  # the session as a whole, not the process that asked last
        _write(cpu / "cpu.weight", str(limits.cpu_weight))
        if quota is not None:
            _write(cpu / "cpu.max", f"{quota} {_PERIOD}")
        return
    _write(memory / "memory.limit_in_bytes", str(limits.memory_bytes))
    _write_if_there(memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
    _write(cpu / "cpu.shares", str(max(2, limits.cpu_weight * 1024 // 100)))
    if quota is not None:
        _write(cpu / "cpu.cfs_period_us", str(_PERIOD))
        _write(cpu / "cpu.cfs_quota_us", str(quota))


def _own_group(hierarchy: str | None, controller: str) -> str | None:
    """Our group in a hierarchy (proc(5), /proc/pid/cgroup): by its number, or by one of its controllers."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == hierarchy if hierarchy is not None else controller in controllers.split(","):
            return path
    return None


def _leave_to_leaf(parent: Path) -> None:
    leaf = parent / HUB
    leaf.mkdir(exist_ok=True)
    for pid in (parent / "cgroup.procs").read_text().split():
        _write(leaf / "cgroup.procs", pid)


def _delegate(directory: Path) -> None:
    _write(directory / "cgroup.subtree_control", " ".join(f"+{controller}" for controller in V2_CONTROLLERS))


def _new_name() -> str:
    return f"{_PREFIX}{secrets.token_hex(4)}"


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _write_if_there(path: Path, text: str) -> None:
    if path.exists():
        path.write_text(text)


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0


def _field(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), 0)


def _sweep(parent: Path) -> None:
    """Remove the trees in a group whose engine is gone: the kernel refuses to remove one with a process in it."""
    for tree in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if (tree / _ENGINE).is_dir() and time.time() - tree.stat().st_mtime > _YOUNG:
                _remove_all(tree, 0.0)


def _remove_all(base: Path, timeout: float) -> bool:
    below = [entry for entry in base.iterdir() if entry.is_dir()] if base.is_dir() else []
    gone = [_remove(group, timeout) for group in below]
    return all(gone) and _remove(base, timeout)


def _remove(directory: Path, timeout: float = _REMOVAL_TIMEOUT) -> bool:
    """A group goes when its last process is reaped, for which there is no event in version 1."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            directory.rmdir()
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        else:
            return True
