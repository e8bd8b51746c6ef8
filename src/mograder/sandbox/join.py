"""Enter a sandbox from a forked child, and give up everything that a fork inherits."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from mograder.errors import SandboxError
from mograder.sandbox import kernel, seccomp
from mograder.sentences import Sentence

Rlimits = Mapping[int, tuple[int, int]]
"""resource.RLIMIT_* -> (soft, hard)."""

_NS_GET_USERNS = 0xB701  # linux/nsfs.h
# No set-user-id root, no fix-up of capabilities on a change of identity, no ambient ones, no keep-caps; all
# locked.
_SECUREBITS = 0b11101111
_OOM_SCORE = b"500"  # the kernel's last resort takes a session before it takes anything of the hub


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The host identity of a session: which user its processes are for the rest of the machine.

    None: ours.
    """

    uid: int | None = None
    gid: int | None = None

    def take(self) -> None:
        """Become it, without supplementary groups: those would stay effective inside. Raises OSError."""
        if self.uid is None:
            return
        gid = self.uid if self.gid is None else self.gid
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(self.uid, self.uid, self.uid)


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """What a joined process keeps.

    ``program`` is the seccomp filter; ``keep`` are descriptors that stay open.

    ``output`` is a descriptor for standard output and error (None: /dev/null): a pipe, never a file.
    """

    program: bytes
    env: Mapping[str, str]
    cwd: str
    keep: Sequence[int] = ()
    output: int | None = None
    rlimits: Rlimits = field(default_factory=dict)
    nice: int = 0
    umask: int = 0o077


def fork_into(
    sandbox: int | Callable[[], int],
    confinement: Confinement,
    main: Callable[[], int],
    *,
    identity: Identity = Identity(),
    cgroup_fds: Sequence[int] = (),
) -> int:
    """Fork a child that enters ``sandbox``, confines itself and ends with ``main()``'s exit code.

    ``sandbox`` is a pidfd of a process in it, or what returns one, in the child: it may wait for it there.

    Returns the child's pid when it *is* confined. The caller must be a child subreaper
    (``become_subreaper``), have one thread, and reap the child at once when it ends: the sandbox can not go
    while its zombie stays. Raises SandboxError with the reason when the child could not enter.
    """
    _flush()  # what is in the buffers now would be written by both of us
    reader, writer = os.pipe()
    first = os.fork()
    if first == 0:
        _first_child(writer, sandbox, confinement, main, identity, cgroup_fds)
    os.close(writer)
    pid, reason = _report(reader)
    os.waitpid(first, 0)
    if reason or not pid:
        if pid:
            os.waitpid(pid, 0)
        raise SandboxError(
            "A process could not enter its sandbox: {reason}.",
            reason=reason or Sentence("it died on the way"),
        )
    return pid


def become_subreaper() -> None:
    """Adopt the sessions whose first parent has gone. Raises OSError."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def enter(pidfd: int) -> None:
    """Join all seven namespaces of the process behind ``pidfd``; children are born in its pid namespace.

    The caller must own the sandbox (same user as started it, in the namespace that it was started in). Raises
    OSError.
    """
    kernel.setns(pidfd, kernel.EVERY_NAMESPACE)


def confine(confinement: Confinement) -> None:
    """Give up, in the process that will run student code, all that a fork inherits.

    Nothing undoes it.

    Raises OSError when a step fails: the process must not go on then.
    """
    # Entering made us undumpable, which gives /proc/self to root. Nobody is in here yet who could look into
    # us.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    os.setsid()
    _replace_descriptors(confinement)
    _reset_signals()
    os.umask(confinement.umask)
    _write("/proc/self/oom_score_adj", _OOM_SCORE)
    if confinement.nice:
        os.nice(confinement.nice)
    for limit, bounds in confinement.rlimits.items():
        resource.setrlimit(limit, bounds)
    os.chdir(confinement.cwd)
    os.environ.clear()
    os.environ.update(confinement.env)
    _renew_randomness()
    _drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if confinement.program:
        seccomp.load(confinement.program)  # last: some of the above is what it refuses


def limit_inodes(init_pid: int, places: Sequence[str], inodes: int) -> None:
    """Bound the number of files in the tmpfs ``places`` of a sandbox; bubblewrap bounds bytes only.

    Must run in a process of its own (``in_child``): it moves into the sandbox's mounts. The mounts belong to
    the outer of bubblewrap's two user namespaces, so that is the one to join. Raises OSError.
    """
    mounts = os.open(f"/proc/{init_pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    owner = fcntl.ioctl(mounts, _NS_GET_USERNS)
    kernel.setns(owner, kernel.CLONE_NEWUSER)
    kernel.setns(mounts, kernel.CLONE_NEWNS)
    for place in places:
        kernel.mount(
            None, place, None, kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV, f"nr_inodes={inodes}"
        )


def in_child(task: Callable[[], object]) -> None:
    """Run ``task`` in a forked child and wait for it. Raises SandboxError with the child's error."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run_and_exit(writer, task)
    os.close(writer)
    _, reason = _report(reader)
    _, status = os.waitpid(child, 0)
    if reason or status:
        raise SandboxError(
            "A sandbox could not be prepared: {reason}.", reason=reason or f"exit status {status}"
        )


def _first_child(
    writer: int,
    sandbox: int | Callable[[], int],
    confinement: Confinement,
    main: Callable[[], int],
    identity: Identity,
    cgroup_fds: Sequence[int],
) -> NoReturn:
    """Changes namespaces. A pid namespace takes in children only, so a second fork is the session."""

    def task() -> None:
        for descriptor in cgroup_fds:
            os.write(descriptor, b"0")
        identity.take()
        enter(sandbox if isinstance(sandbox, int) else sandbox())
        session = os.fork()
        if session == 0:
            _session(writer, confinement, main)
        os.write(writer, b"pid %d\n" % session)

    _run_and_exit(writer, task)


def _session(writer: int, confinement: Confinement, main: Callable[[], int]) -> NoReturn:
    """The end of ``writer`` is the word that we are confined; until then a failure can still be told."""
    try:
        confine(replace(confinement, keep=(*confinement.keep, writer)))
    except BaseException as error:  # noqa: BLE001  (reported to the parent; the process ends)
        _tell(writer, error)
        os._exit(1)
    os.close(writer)
    code = 1
    try:
        code = main()
    except SystemExit as leave:
        code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except BaseException:  # noqa: BLE001  (the session's own failure belongs in its log)
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code & 0xFF)


def _run_and_exit(writer: int, task: Callable[[], object]) -> NoReturn:
    """For a forked child: no exit handler of the parent's may run in it."""
    code = 1
    try:
        task()
        code = 0
    except BaseException as error:  # noqa: BLE001  (reported to the parent)
        _tell(writer, error)
    finally:
        os._exit(code)


def _tell(writer: int, error: BaseException) -> None:
    os.write(writer, f"error {type(error).__name__}: {error}\n".encode())


def _replace_descriptors(confinement: Confinement) -> None:
    """Put /dev/null in the place of every inherited descriptor, rather than closing it.

    Objects of the parent (a log handler, the control socket) still know the numbers; closed, a number would
    be given out again, and they would write into, or close, something of the session's.
    """
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    output = null if confinement.output is None else confinement.output
    keep = {0, 1, 2, *confinement.keep}
    if output != null:
        output = os.dup(output)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    for number in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208
        if number not in keep and number != null and _is_open(number):
            os.dup2(null, number, inheritable=False)
    for number in confinement.keep:
        os.set_inheritable(number, False)


def _reset_signals() -> None:
    """As a fresh Python has them: ignoring SIGXFSZ turns a write past the file limit into an error, not a death."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _drop_capabilities() -> None:
    for capability in range(64):
        try:
            kernel.prctl(kernel.PR_CAPBSET_READ, capability)
        except OSError:
            break  # the kernel's last one is behind us
        kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
    kernel.prctl(kernel.PR_SET_SECUREBITS, _SECUREBITS)
    kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    kernel.drop_every_capability()


def _renew_randomness() -> None:
    """What a preloaded module drew before the fork would be the same in every session.

    ``random`` renews itself.
    """
    modules = sys.modules
    if "numpy.random" in modules:
        modules["numpy.random"].seed()
    if "torch" in modules:
        modules["torch"].seed()
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "tempfile" in modules:  # names are cached per pid, and pids repeat across pid namespaces
        vars(modules["tempfile"]).update(_name_sequence=None, tempdir=None)
    if "uuid" in modules:
        vars(modules["uuid"]).update(_last_timestamp=None, _node=None)


def _is_open(number: int) -> bool:
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        return False
    return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the output has gone, and so are we


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def _report(reader: int) -> tuple[int, str]:
    """What the children said before their end of the pipe closed: a pid (0: none) and a reason for failure."""
    with os.fdopen(reader, "r", encoding="utf-8") as lines:
        said = [line.rstrip("\n").partition(" ") for line in lines]
    pids = [int(rest) for word, _, rest in said if word == "pid"]
    return (pids or [0])[0], "; ".join(rest for word, _, rest in said if word == "error")
