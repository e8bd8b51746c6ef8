"""A sandbox from outside: it starts, it can be watched, it ends; it says why when it can not start."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import join, seccomp
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.profile import Profile
from mograder.sandbox.running import Running
from tests.sandbox.world import SYSTEM_PYTHON, UNPRIVILEGED, World

pytestmark = pytest.mark.real

STUDENT = Start(identity=join.Identity(uid=UNPRIVILEGED))


@pytest.fixture
def profile(world: World) -> Callable[..., Profile]:
    def make(**more: Any) -> Profile:
        return Profile(workspace=world.student("someone"), seccomp=seccomp.build(), **more)

    return make


def output_of(profile: Profile, program: str, **more: Any) -> tuple[str, Holder]:
    """What a program prints in a sandbox of its own, which is then stopped."""
    reader, writer = os.pipe()
    holder = Holder.run(profile, [SYSTEM_PYTHON, "-I", "-c", program], STUDENT, output=writer, **more)
    os.close(writer)
    with os.fdopen(reader) as printed:
        text = printed.read()
    assert holder.wait(5)
    return text, holder


def children_of_this_process() -> set[str]:
    """Other tests may have some that live on; a failed start may not add to them."""
    return set(Path("/proc/thread-self/children").read_text().split())


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_a_holder_waits_with_nothing_but_a_pause_inside(profile: Callable[..., Profile]) -> None:
    holder = Holder.start(profile(), STUDENT)
    inside = Path(f"/proc/{holder.init_pid}/task/{holder.init_pid}/children").read_text().split()
    assert [comm(int(pid)) for pid in inside] == ["sleep"]
    assert holder.alive()
    assert holder.stop()


def test_the_outside_shows_nothing_in_process_one(profile: Callable[..., Profile]) -> None:
    """Process one can be read from inside: no environment, no path, no file of ours may be there."""
    os.environ["MOGRADER_TEST_SECRET"] = "canary-in-our-environment"
    holder = Holder.start(profile(), STUDENT)
    process = Path(f"/proc/{holder.init_pid}")
    assert (process / "environ").read_bytes() == b""
    assert b"someone" not in (process / "cmdline").read_bytes()
    targets = {os.readlink(link) for link in (process / "fd").iterdir()}
    assert not [target for target in targets if target.startswith("/") and target != "/dev/null"]
    holder.stop()
    del os.environ["MOGRADER_TEST_SECRET"]


def test_stopping_is_quick_and_can_be_done_twice(profile: Callable[..., Profile]) -> None:
    holder = Holder.start(profile(), STUDENT)
    begin = time.monotonic()
    assert holder.stop()
    assert time.monotonic() - begin < 1
    assert holder.stop()
    assert not holder.alive()


def test_death_is_an_event_on_the_pidfd(profile: Callable[..., Profile]) -> None:
    holder = Holder.start(profile(), STUDENT)
    poll = select.poll()
    poll.register(holder.pidfd, select.POLLIN)
    assert poll.poll(0) == []
    os.kill(holder.init_pid, signal.SIGKILL)
    assert poll.poll(2000)
    assert not holder.alive()
    assert holder.stop()


def test_a_workspace_that_is_not_there_is_named(profile: Callable[..., Profile]) -> None:
    with pytest.raises(SandboxError, match="/nowhere/to/be/found"):
        Holder.start(Profile(workspace=Path("/nowhere/to/be/found")), STUDENT)


def test_a_failed_start_leaves_no_process_and_no_descriptor(profile: Callable[..., Profile]) -> None:
    descriptors, children = sorted(os.listdir("/proc/self/fd")), children_of_this_process()
    with pytest.raises(SandboxError):
        Holder.start(Profile(workspace=Path("/nowhere")), STUDENT)
    assert sorted(os.listdir("/proc/self/fd")) == descriptors
    assert children_of_this_process() <= children


def test_starting_and_stopping_leaves_no_descriptor(profile: Callable[..., Profile]) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    Holder.start(profile(), STUDENT).stop()
    output_of(profile(), "pass")[1].stop()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_fresh_program_runs_with_the_filter_and_its_exit_status_is_known(
    profile: Callable[..., Profile],
) -> None:
    text, holder = output_of(profile(), "print(open('/proc/self/status').read()); raise SystemExit(7)")
    assert "Seccomp:\t2" in text
    assert "NoNewPrivs:\t1" in text
    holder.stop()
    assert holder.exit_status() == 7


def test_limits_are_on_a_fresh_program_and_not_on_who_started_it(profile: Callable[..., Profile]) -> None:
    program = "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC))"
    text, holder = output_of(profile(), program, rlimits={6: (33, 33)})
    assert text.strip() == "(33, 33)"
    holder.stop()


def test_a_sandbox_can_be_made_to_stand_back_for_others(profile: Callable[..., Profile]) -> None:
    holder = Holder.start(profile(), Start(identity=STUDENT.identity, nice=7))
    assert os.getpriority(os.PRIO_PROCESS, holder.init_pid) == os.nice(0) + 7
    holder.stop()


def test_what_a_program_leaves_running_ends_with_the_sandbox(profile: Callable[..., Profile]) -> None:
    program = "import subprocess; subprocess.Popen(['sleep', '1000'])"
    holder = Holder.run(profile(), [SYSTEM_PYTHON, "-I", "-c", program], STUDENT)
    assert holder.wait(5)
    assert holder.alive()  # the program has ended; the sandbox has not
    assert holder.stop()
    status = Path(f"/proc/{holder.init_pid}/status")
    assert not status.exists() or "zombie" in status.read_text()  # its new parent may not have looked yet


def test_a_passed_descriptor_keeps_its_number(profile: Callable[..., Profile]) -> None:
    reader, writer = os.pipe()
    text, holder = output_of(profile(), f"import os; os.write({writer}, b'by number')", descriptors=[writer])
    assert os.read(reader, 100) == b"by number", text
    holder.stop()
    os.close(reader)
    os.close(writer)


def test_files_in_scratch_places_are_bounded_in_number(profile: Callable[..., Profile]) -> None:
    program = """
import os
for place in ("/tmp", "/dev/shm", "/home/student"):
    made = 0
    try:
        while made < 1000:
            os.mknod(f"{place}/{made}")
            made += 1
    except OSError as error:
        print(place, made < 100, error.strerror)
"""
    text, holder = output_of(profile(inodes=50), program)
    assert text.splitlines() == [
        f"{place} True No space left on device" for place in ("/tmp", "/dev/shm", "/home/student")
    ]
    holder.stop()


def test_a_workspace_can_be_read_only(profile: Callable[..., Profile]) -> None:
    program = "import os\ntry: open('x', 'w')\nexcept OSError as error: print(error.strerror)"
    text, holder = output_of(profile(workspace_writable=False), program)
    assert text.strip() == "Read-only file system"
    holder.stop()


def test_a_sandbox_can_be_adopted_by_a_process_that_did_not_start_it(profile: Callable[..., Profile]) -> None:
    holder = Holder.start(profile(), STUDENT)
    adopted = Running.adopt(holder.init_pid, holder.started())
    assert adopted.alive()
    assert adopted.exit_status() is None
    assert adopted.stop()
    assert not holder.alive()
    holder.stop()


def test_a_number_that_now_belongs_to_somebody_else_is_not_adopted(profile: Callable[..., Profile]) -> None:
    with subprocess.Popen(["sleep", "100"]) as other:
        with pytest.raises(SandboxError, match="another process"):
            Running.adopt(other.pid, 1)
        assert other.poll() is None
        other.kill()
    with pytest.raises(SandboxError, match="is gone"):
        Running.adopt(other.pid, 1)


def test_a_sandbox_outlives_the_thread_that_started_it(profile: Callable[..., Profile]) -> None:
    import threading

    started: list[Holder] = []
    thread = threading.Thread(target=lambda: started.append(Holder.start(profile(), Start())))
    thread.start()
    thread.join()
    assert not started[0].wait(0.2)
    assert started[0].stop()
