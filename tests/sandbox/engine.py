"""A small real engine for the tests: runs one piece of student code in a sandbox, its output on ours.

``python engine.py PACKAGES``, an order on standard input: JSON with ``how`` (fork or fresh), ``code`` (a file
whose ``main(words)`` is the student's program), ``words``, ``workspace`` and ``peer`` (directories as we see
them), ``read_only``, ``identity`` ([uid, gid] or null), ``umask``, ``limits``, ``cgroups`` (a tree as we see
it, or null), ``filter`` (false: none), ``seconds`` (after which it is stopped, as a user or the watchdog
would).

Prints what the session prints, then one line of JSON: how it ended and what it used.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from mograder.sandbox import join, limits, profile, seccomp
from mograder.sandbox.cgroups import Cgroup, Tree
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.rota import Watched
from mograder.sandbox.watchdog import Watchdog

CODE = "/opt/student.py"


def main() -> None:
    order = json.load(sys.stdin)
    join.become_subreaper()
    allowed = limits.Limits(**order["limits"])
    group = _group(order, allowed)
    entrances = group.open_procs() if group else []
    how = Start(identity=_identity(order), cgroup_fds=entrances)
    program = b"" if not order["filter"] else seccomp.build(deny_memfd=group is None, deny_sysv=group is None)
    world = _profile(order, order["workspace"], program)
    peer = Holder.start(_profile(order, order["peer"], program), Start(identity=how.identity))
    reader, writer = os.pipe()
    rlimits = allowed.rlimits(memory_counted=group is not None)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0session-{os.getpid()}-{time.monotonic_ns()}")
        listener.listen()
        if order["how"] == "fork":
            sandbox, child = _fork(order, world, how, writer, rlimits, listener)
        else:
            command = [order["python"], "-I", CODE, *order["words"]]
            sandbox, child = (
                Holder.run(
                    world, command, how, output=writer, descriptors=[listener.fileno()], rlimits=rlimits
                ),
                0,
            )
    os.close(writer)
    verdict = _attend(order, allowed, sandbox, child, reader, group)
    used = group.usage().__dict__ if group else {}
    start = time.monotonic()
    if group:
        group.kill()
    gone = _stop(sandbox, child)
    verdict |= {"gone": gone, "stop_ms": (time.monotonic() - start) * 1000, "usage": used}
    verdict["peer_alive"] = peer.alive()
    peer.stop()
    if group:
        verdict["left"] = group.pids()
        group.remove()
    print("\n" + json.dumps(verdict), flush=True)


def _identity(order: dict) -> join.Identity:
    uid, gid = order["identity"] or (None, None)
    return join.Identity(uid=uid, gid=gid)


def _group(order: dict, allowed: limits.Limits) -> Cgroup | None:
    if not order["cgroups"]:
        return None
    base = {name: Path(path) for name, path in order["cgroups"]["base"].items()}
    return Tree(means=order["cgroups"]["means"], base=base).session(f"session-{time.monotonic_ns()}", allowed)


def _profile(order: dict, workspace: str, program: bytes) -> profile.Profile:
    shown = tuple((Path(path), path) for path in order["read_only"])
    return profile.Profile(
        workspace=Path(workspace),
        read_only=(*shown, (Path(order["code"]), CODE), (Path(order["facts"]), "/opt/facts.json")),
        seccomp=program,
        **order.get("profile", {}),
    )


def _fork(order, world, how, writer, rlimits, listener):
    specification = importlib.util.spec_from_file_location("student", order["code"])
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    sandbox = Holder.start(world, how)
    confinement = join.Confinement(
        program=world.seccomp,
        env=world.environment(),
        cwd=world.workspace_inside,
        keep=[listener.fileno()],
        output=writer,
        rlimits=rlimits,
        nice=5,
        umask=order["umask"],
    )

    def student() -> int:
        module.main(order["words"])
        return 0

    child = join.fork_into(
        sandbox.pidfd, confinement, student, identity=how.identity, cgroup_fds=how.cgroup_fds
    )
    return sandbox, child


def _attend(order, allowed, sandbox, child, reader, group):
    """Relay the output until the session ends, takes too much, or its time is over."""
    dog = Watchdog()
    workspace = Path(order["workspace"])
    dog.add(
        Watched(
            name="session",
            init_pid=sandbox.init_pid,
            workspace=workspace,
            limits=allowed,
            memory_counted=group is not None,
            group=group,
        )
    )
    ended = os.pidfd_open(child) if child else sandbox.ended
    end = time.monotonic() + order["seconds"]
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    poll.register(ended, select.POLLIN)
    room = 1 << 20
    while True:
        ready = dict(poll.poll(100))
        if reader in ready:
            piece = os.read(reader, 65536)
            sys.stdout.buffer.write(piece[:room])
            sys.stdout.buffer.flush()
            room -= min(room, len(piece))
            if not piece:
                poll.unregister(reader)
        elif ended in ready:
            return {"ended": "by itself"}
        for excess in dog.look():
            return {"ended": "over a limit", "reason": excess.reason, "detail": excess.detail}
        if time.monotonic() > end:
            return {"ended": "stopped"}


def _stop(sandbox: Holder, child: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(sandbox.pidfd, signal.SIGKILL)
    if child:
        os.waitpid(child, 0)  # the namespace can not go while its zombie stays
    return sandbox.stop()


if __name__ == "__main__":
    main()
