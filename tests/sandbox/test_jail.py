"""The outer jail (``jail``, and ``launch`` that becomes its user) as root; ``test_attacks`` has the other users."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mograder.errors import SandboxError
from mograder.sandbox import identities, interpreters
from mograder.sandbox.identities import Identities
from mograder.sandbox.jail import Jail, JailPlan
from tests.sandbox.world import World

pytestmark = pytest.mark.real

LOOK = """
import json, os, socket
def status(name):
    return next(line.split(":")[1].strip() for line in open("/proc/self/status") if line.startswith(name))
print(json.dumps({
    "uid": os.getuid(), "pid": os.getpid(), "caps": int(status("CapEff"), 16), "groups": os.getgroups(),
    "interfaces": [name for _, name in socket.if_nameindex()], "environment": dict(os.environ),
    "root": sorted(os.listdir("/")), "map": open("/proc/self/uid_map").read().split(),
}))
"""


def plan(world: World, **more: Any) -> JailPlan:
    shown = [(path, str(path)) for path in interpreters.own()]
    options: dict[str, Any] = {
        "identities": identities.choose(),
        "read_only": tuple(shown),
        "writable": ((world.workspaces, "/workspaces"),),
    }
    return JailPlan(**{**options, **more})


def printed_in(jail_plan: JailPlan, program: str) -> str:
    reader, writer = os.pipe()
    jail = Jail.start(jail_plan, [sys.executable, "-I", "-c", program], output=writer)
    os.close(writer)
    with os.fdopen(reader) as printed:
        text = printed.read()
    assert jail.wait(5)
    jail.stop()
    return text


def test_the_engine_is_not_root_on_the_host_and_has_few_rights_in_its_own_namespace(world: World) -> None:
    import json

    seen = json.loads(printed_in(plan(world), LOOK))
    assert seen["uid"] == 0
    assert seen["map"][1] == str(identities.ROOT_BASE)
    # SETUID, SETGID, KILL, SYS_PTRACE, DAC_READ_SEARCH
    assert seen["caps"] == 1 << 7 | 1 << 6 | 1 << 5 | 1 << 19 | 1 << 2
    assert seen["groups"] == []


def test_the_jail_has_no_network_and_no_environment_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.setenv("HUB_SECRET", "canary")
    seen = json.loads(printed_in(plan(world, env={"A": "b"}), LOOK))
    assert seen["interfaces"] == ["lo"]
    assert seen["environment"] == {
        "HOME": "/home/student",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "A": "b",
        "PWD": "/",
    }


def test_the_jail_shows_what_was_named_and_nothing_else(world: World) -> None:
    program = f"""
import os
print(os.path.exists({str(world.root / "hub")!r}))
print(sorted(os.listdir("/workspaces")) == {sorted(os.listdir(world.workspaces))!r})
"""
    assert printed_in(plan(world), program).split() == ["False", "True"]


def test_the_runtime_can_not_be_written(world: World) -> None:
    program = """
import os, sys
for path in (sys.prefix, os.path.dirname(os.__file__), "/usr", "/etc", "/"):
    try:
        open(path + "/planted", "w")
    except OSError as error:
        print(error.strerror)
"""
    assert printed_in(plan(world), program).splitlines() == ["Read-only file system"] * 5


def test_a_runtime_below_a_private_home_is_shown(world: World, tmp_path: Path) -> None:
    """As with an interpreter below /root: only root can pass the parent, before it becomes somebody else."""
    private = tmp_path / "private"
    (private / "runtime").mkdir(parents=True)
    (private / "runtime" / "here").write_text("seen")
    private.chmod(0o700)
    shown = (*plan(world).read_only, (private / "runtime", str(private / "runtime")))
    program = f"print(open({str(private / 'runtime' / 'here')!r}).read())"
    assert printed_in(plan(world, read_only=shown), program).strip() == "seen"


def test_a_single_file_can_be_shown(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one file")
    shown = (*plan(world).read_only, (tmp_path / "file", "/opt/file"))
    assert printed_in(plan(world, read_only=shown), "print(open('/opt/file').read())").strip() == "one file"


def test_the_end_of_the_engine_is_the_end_of_all_that_it_made(world: World) -> None:
    program = "import subprocess; subprocess.Popen(['sleep', '1000'], start_new_session=True); print('made')"
    reader, writer = os.pipe()
    jail = Jail.start(plan(world), [sys.executable, "-I", "-c", program], output=writer)
    os.close(writer)
    with os.fdopen(reader) as printed:
        assert printed.read() == "made\n"  # the end: the daemon held this pipe too, and it is gone
    assert jail.wait(5)
    assert not jail.alive()
    assert jail.stop()


def test_stopping_ends_an_engine_that_is_busy(world: World) -> None:
    jail = Jail.start(plan(world), [sys.executable, "-I", "-c", "while True: pass"])
    assert jail.alive()
    assert jail.stop()


def test_a_descriptor_is_passed_to_the_engine(world: World) -> None:
    reader, writer = os.pipe()
    program = f"import os; os.write({writer}, b'engine here')"
    jail = Jail.start(plan(world), [sys.executable, "-I", "-c", program], descriptors=[writer])
    assert os.read(reader, 100) == b"engine here"
    jail.wait(5)
    jail.stop()
    os.close(reader)
    os.close(writer)


def test_what_can_not_be_shown_is_named(world: World) -> None:
    missing = (*plan(world).read_only, (Path("/nowhere/at/all"), "/x"))
    with pytest.raises(SandboxError, match="/nowhere/at/all"):
        Jail.start(plan(world, read_only=missing), ["/bin/true"])


def test_users_that_can_not_be_mapped_are_an_error(world: World) -> None:
    impossible = Identities(
        how="subuid", engine_uid=0, engine_gid=0, first_uid=4_000_000, first_gid=4_000_000, count=10
    )
    with pytest.raises(SandboxError, match="could not be mapped"):
        Jail.start(plan(world, identities=impossible), ["/bin/true"])


def test_a_failed_start_leaves_no_descriptor(world: World) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    missing = (*plan(world).read_only, (Path("/nowhere/at/all"), "/x"))
    with pytest.raises(SandboxError):
        Jail.start(plan(world, read_only=missing), ["/bin/true"])
    assert sorted(os.listdir("/proc/self/fd")) == before
