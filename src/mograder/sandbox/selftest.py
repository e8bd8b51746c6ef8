"""Make a real sandbox in a real jail, run code in it both ways, and try to break out."""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mograder.errors import SandboxError
from mograder.sandbox import breakout, interpreters, join, seccomp
from mograder.sandbox.holder import Holder, Start
from mograder.sandbox.identities import Identities
from mograder.sandbox.jail import Jail, JailPlan
from mograder.sandbox.profile import Profile

_INSIDE = "/workspaces"
_TIMEOUT = 20.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """``joined`` and ``fresh`` hold a reason why that way of starting a session does not work (empty: it works).

    ``escapes`` are the tries that got out, ``start_ms`` the time from nothing to a session that runs.
    """

    joined: str
    fresh: str
    escapes: tuple[str, ...]
    start_ms: float


def run(workspaces: Path, identities: Identities) -> Result:
    """Do it below ``workspaces``, in a directory that is removed again.

    Raises SandboxError when not even a jail works.
    """
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix=".selftest-", dir=workspaces))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        place.chmod(0o711)
        facts = _bait(stack, place, identities)
        own = interpreters.own()
        plan = JailPlan(
            identities=identities,
            read_only=tuple((path, str(path)) for path in own),
            writable=((place, _INSIDE),),
        )
        order = {"facts": facts, "how": identities.how, "shown": [str(path) for path in own]}
        reader, writer = os.pipe()
        stack.callback(os.close, reader)
        try:
            jail = Jail.start(plan, _command(order), output=writer)
        finally:
            os.close(writer)
        stack.callback(jail.stop)
        return _result(_read(reader))


def _bait(stack: ExitStack, place: Path, identities: Identities) -> dict[str, str]:
    """Two workspaces, a secret file, sockets: what a session must not reach, and its own place."""
    canary = secrets.token_hex(16)
    for name in ("mine", "peer"):
        (place / name).mkdir(mode=0o700)
        (place / name).chmod(identities.workspace_mode)
        if owner := identities.owner(1):
            os.chown(place / name, *owner)
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    abstract.bind("\0mograder-" + canary[:8])
    abstract.listen()
    secret = place / "secret"
    secret.write_text(canary)
    secret.chmod(0o644)
    return {
        "secret": str(secret),
        "peer": str(place / "peer"),
        "canary": canary[::-1],
        "port": str(tcp.getsockname()[1]),
        "abstract": "mograder-" + canary[:8],
        "runtime": os.path.dirname(sys.executable),  # noqa: PTH120
    }


def _command(order: Mapping[str, Any]) -> list[str]:
    package = str(Path(__file__).resolve().parents[2])
    program = (
        f"import sys; sys.path.insert(0, {package!r}); from mograder.sandbox import selftest; selftest.main()"
    )
    return [sys.executable, "-I", "-c", program, json.dumps(order)]


def _read(reader: int) -> str:
    """Until the jail ends; a jail that does not is stopped by the caller."""
    end = time.monotonic() + _TIMEOUT
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    content = b""
    while poll.poll(max(0.0, end - time.monotonic()) * 1000):
        piece = os.read(reader, 65536)
        if not piece:
            return content.decode("utf-8", "replace")
        content += piece
    raise SandboxError(f"The sandbox's self-test did not end within {_TIMEOUT:.0f} seconds.")


def _result(text: str) -> Result:
    lines = text.splitlines()
    try:
        answer = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        last = lines[-1] if lines else "it said nothing"
        raise SandboxError(f"The sandbox's self-test failed: {last}.") from error
    return Result(
        joined=answer["joined"],
        fresh=answer["fresh"],
        escapes=tuple(answer["escapes"]),
        start_ms=answer["start_ms"],
    )


# --------------------------------------------------------------------- from here on: in the jail, as its engine


def main() -> None:
    """The engine's side: one session by a fork that joins, one by a fresh Python; a line of JSON about them."""
    order = json.loads(sys.argv[1])
    join.become_subreaper()
    answer: dict[str, Any] = {"joined": "", "fresh": "", "escapes": [], "start_ms": 0.0}
    for way, start in (("joined", _joined), ("fresh", _fresh)):
        begin = time.monotonic()
        try:
            escapes = start(order)
        except SandboxError as error:
            answer[way] = error.message
            continue
        answer["escapes"] += [name for name in escapes if name not in answer["escapes"]]
        answer["start_ms"] = answer["start_ms"] or (time.monotonic() - begin) * 1000
    print(json.dumps(answer), flush=True)


def _profile(order: Mapping[str, Any]) -> Profile:
    return Profile(
        workspace=Path(_INSIDE) / "mine",
        read_only=tuple((Path(path), path) for path in order["shown"]),
        seccomp=seccomp.build(),
    )


def _start(order: Mapping[str, Any]) -> Start:
    if order["how"] == "shared":
        return Start()
    return Start(identity=join.Identity(uid=1, gid=0 if order["how"] == "subuid" else 1))


def _joined(order: Mapping[str, Any]) -> list[str]:
    profile, how = _profile(order), _start(order)
    holder = Holder.start(profile, how)
    reader, writer = os.pipe()
    confinement = join.Confinement(
        program=profile.seccomp, env=profile.environment(), cwd=profile.workspace_inside, output=writer
    )
    try:
        child = join.fork_into(
            holder.pidfd, confinement, lambda: session(order["facts"]), identity=how.identity
        )
        os.close(writer)
        answer = _read(reader)
        os.waitpid(child, 0)
    finally:
        os.close(reader)
        holder.stop()
    return _escapes(answer)


def _fresh(order: Mapping[str, Any]) -> list[str]:
    package = str(Path(__file__).resolve().parents[2])
    program = f"import sys; sys.path.insert(0, {package!r}); from mograder.sandbox import selftest; "
    program += f"selftest.session({order['facts']!r})"
    reader, writer = os.pipe()
    try:
        holder = Holder.run(
            _profile(order), [sys.executable, "-I", "-c", program], _start(order), output=writer
        )
    except SandboxError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        return _escapes(_read(reader))
    finally:
        os.close(reader)
        holder.stop()


def session(facts: Mapping[str, str]) -> int:
    """The student's side. The word to look for is known backwards: our own arguments must not hold it."""
    print(json.dumps(breakout.run({**facts, "canary": facts["canary"][::-1]})), flush=True)
    return 0


def _escapes(answer: str) -> list[str]:
    try:
        return list(json.loads(answer.splitlines()[-1]))
    except (IndexError, ValueError) as error:
        raise SandboxError(
            f"A session of the self-test failed: {answer.strip()[-300:] or 'no output'}."
        ) from error
