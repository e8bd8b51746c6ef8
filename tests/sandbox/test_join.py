"""What a forked child keeps of its parent when it enters a sandbox: nothing that matters."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import join, seccomp
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.join import Confinement, Identity
from mograder.sandbox.profile import Profile
from tests.sandbox.world import UNPRIVILEGED, World

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")]

STUDENT = Identity(uid=UNPRIVILEGED)


@pytest.fixture
def holder(world: World) -> Iterator[Holder]:
    join.become_subreaper()
    sandbox = Holder.start(Profile(workspace=world.student("someone")), Start(identity=STUDENT))
    yield sandbox
    assert sandbox.stop()


def in_sandbox(holder: Holder, look: Callable[[], Any], **more: Any) -> Any:
    """What ``look`` sees in a child that joined, through JSON."""
    reader, writer = os.pipe()
    options: dict[str, Any] = {"program": seccomp.build(), "env": {}, "cwd": "/home/student/work"}

    def main() -> int:
        os.write(
            1, json.dumps(look()).encode()
        )  # not print: pytest has put itself in the place of standard output
        return 0

    confinement = Confinement(output=writer, **{**options, **more})
    child = join.fork_into(holder.pidfd, confinement, main, identity=STUDENT)
    os.close(writer)
    with os.fdopen(reader) as printed:
        text = printed.read()
    assert os.waitpid(child, 0)[1] == 0, text
    return json.loads(text)


def test_the_child_has_the_namespaces_of_the_sandbox(holder: Holder) -> None:
    theirs = {
        name: os.readlink(f"/proc/{holder.init_pid}/ns/{name}")
        for name in ("user", "pid", "net", "mnt", "ipc")
    }
    assert (
        in_sandbox(holder, lambda: {name: os.readlink(f"/proc/self/ns/{name}") for name in theirs}) == theirs
    )


def test_inherited_descriptors_lead_nowhere_but_keep_their_numbers(holder: Holder) -> None:
    """The number is kept: an object of the parent's would else write into what is opened next."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    number = file.fileno()
    assert in_sandbox(holder, lambda: os.readlink(f"/proc/self/fd/{number}")) == "/dev/null"

    def look() -> list[str]:
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return [os.readlink(link) for link in links if os.path.lexists(link)]

    opened = in_sandbox(holder, look)
    assert all(target == "/dev/null" or target.startswith(("pipe:", "/proc/")) for target in opened), opened
    file.close()


def test_a_descriptor_that_is_kept_works(holder: Holder) -> None:
    reader, writer = os.pipe()
    in_sandbox(holder, lambda: os.write(writer, b"kept"), keep=[writer])
    assert os.read(reader, 10) == b"kept"
    os.close(reader)
    os.close(writer)


def test_the_environment_is_built_from_nothing(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_SECRET", "canary")
    assert in_sandbox(holder, lambda: dict(os.environ), env={"A": "b"}) == {"A": "b"}


def test_random_numbers_differ_between_sessions(world: World) -> None:
    import multiprocessing
    import multiprocessing.process

    multiprocessing.current_process()
    next(tempfile._get_candidate_names())  # type: ignore[attr-defined]  (drawn by a preloaded module, say)
    uuid.uuid1()

    def look() -> list[str]:
        name = next(tempfile._get_candidate_names())  # type: ignore[attr-defined]
        key = bytes(multiprocessing.current_process().authkey).hex()
        return [str(random.random()), name, key, str(uuid.getnode())]

    seen = []
    for _ in range(2):
        join.become_subreaper()
        sandbox = Holder.start(Profile(workspace=world.student("someone")), Start(identity=STUDENT))
        seen.append(in_sandbox(sandbox, look)[:3])
        sandbox.stop()
    assert not set(seen[0]) & set(seen[1])


def test_numpy_is_reseeded(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    calls: list[int] = []
    fake = types.ModuleType("numpy.random")
    fake.seed = lambda: calls.append(1)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "numpy.random", fake)
    assert in_sandbox(holder, lambda: len(calls)) == 1


def test_signals_are_as_a_fresh_python_has_them(holder: Holder) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    def look() -> list[bool]:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, set())
        return [
            signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL,
            not blocked,
            signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN,
            signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        ]

    try:
        assert in_sandbox(holder, look) == [True, True, True, True]
    finally:
        signal.signal(signal.SIGUSR1, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})


def test_the_child_leads_its_own_session_with_its_limits_and_umask(holder: Holder) -> None:
    import resource

    def look() -> list[Any]:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        return [os.getsid(0) == os.getpid(), limit, os.umask(0), os.getcwd(), os.getgroups(), os.nice(0)]

    seen = in_sandbox(
        holder, look, rlimits={resource.RLIMIT_NOFILE: (77, 77)}, umask=0o027, cwd="/tmp", nice=3
    )
    assert seen[:4] == [True, [77, 77], 0o027, "/tmp"]
    assert seen[4:] == [[], os.nice(0) + 3]


def test_the_kernel_would_take_the_session_before_the_hub(holder: Holder) -> None:
    assert int(in_sandbox(holder, lambda: Path("/proc/self/oom_score_adj").read_text())) == 500


def test_what_is_in_the_parents_buffers_is_not_printed_by_the_session(
    holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryFile("w+") as output:
        monkeypatch.setattr("sys.stdout", output)
        print("half a line of the parent's", end="")
        child = join.fork_into(
            holder.pidfd, Confinement(program=b"", env={}, cwd="/"), lambda: 0, identity=STUDENT
        )
        os.waitpid(child, 0)
        output.seek(0)
        assert output.read() == "half a line of the parent's"


def test_the_exit_code_is_that_of_the_session(holder: Holder) -> None:
    confinement = Confinement(program=b"", env={}, cwd="/")
    child = join.fork_into(holder.pidfd, confinement, lambda: 9, identity=STUDENT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize(
    ("leave", "code"), [(SystemExit(3), 3), (SystemExit(), 0), (SystemExit("no"), 1), (ValueError(), 1)]
)
def test_ways_to_leave_have_their_codes(holder: Holder, leave: BaseException, code: int) -> None:
    def main() -> int:
        raise leave

    child = join.fork_into(holder.pidfd, Confinement(program=b"", env={}, cwd="/"), main, identity=STUDENT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code


def test_a_child_that_can_not_be_confined_never_runs_and_says_why(holder: Holder) -> None:
    confinement = Confinement(program=b"", env={}, cwd="/not/there")
    with pytest.raises(SandboxError, match="/not/there"):
        join.fork_into(holder.pidfd, confinement, lambda: os.open("/tmp/ran", os.O_CREAT), identity=STUDENT)
    assert not os.path.exists(f"/proc/{holder.init_pid}/root/tmp/ran")


def test_what_is_no_sandbox_can_not_be_entered(holder: Holder) -> None:
    with subprocess.Popen(["sleep", "100"], user=12345, extra_groups=[]) as other:
        pidfd = os.pidfd_open(other.pid)
        with pytest.raises(SandboxError, match="could not enter"):
            join.fork_into(pidfd, Confinement(program=b"", env={}, cwd="/"), lambda: 0, identity=STUDENT)
        os.close(pidfd)
        other.kill()


def test_a_group_that_can_not_be_entered_is_an_error(holder: Holder) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(SandboxError, match="OSError"):
        join.fork_into(
            holder.pidfd,
            Confinement(program=b"", env={}, cwd="/"),
            lambda: 0,
            identity=STUDENT,
            cgroup_fds=[reader],
        )
    os.close(reader)


def test_a_task_in_a_child_reports_its_failure() -> None:
    join.in_child(lambda: None)
    with pytest.raises(SandboxError, match="ValueError: broken"):
        join.in_child(lambda: (_ for _ in ()).throw(ValueError("broken")))
