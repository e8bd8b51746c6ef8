"""mograder.environments.confined: packages' own code against the check, in real jails."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mograder.environments import build, check_in_jail
from mograder.environments.store import Environment
from mograder.environments.uv import base_interpreter, find_uv
from mograder.errors import EnvironmentFailed
from mograder.sandbox.identities import choose

pytestmark = pytest.mark.real

Try = Callable[[str], None]


@pytest.fixture
def root() -> Iterator[Path]:
    """An environment without packages; not below /tmp, which the jail covers."""
    with tempfile.TemporaryDirectory(prefix="mograder-tests-", dir="/var/tmp") as directory:
        place = Path(directory)
        place.chmod(0o755)
        subprocess.run(
            [str(find_uv()), "venv", "-q", "--python", base_interpreter(), place / "env"], check=True
        )
        yield place / "env"


@pytest.fixture
def try_with(root: Path) -> Try:
    """Run the check of the environment with ``code`` as the start hook of a package."""

    def run(code: str) -> None:
        site = build.site_packages(root)
        (site / "package.pth").write_text("import package_start\n")
        (site / "package_start.py").write_text(code)
        check_in_jail(choose())([str(root / "bin" / "python"), "-I", "-B", "-c", "pass"])

    return run


def test_a_real_environment_passes(environment: Environment) -> None:
    check_in_jail(choose())([str(environment.python), "-I", "-B", "-c", "import marimo, mograder.runtime"])


def test_a_failure_says_its_last_line(root: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="do not work together: ZeroDivisionError"):
        check_in_jail(choose())([str(root / "bin" / "python"), "-I", "-c", "1/0"])


def test_a_package_is_nobody_and_reads_and_writes_nothing_of_the_hubs(try_with: Try, root: Path) -> None:
    secret = root.parent / "secret"
    secret.write_text("canary")
    secret.chmod(0o644)
    try_with(f"""
import os, socket
from pathlib import Path

assert not Path({str(secret)!r}).exists()
for place in ({str(root)!r}, "/usr", "/etc"):
    try:
        Path(place, "made").touch()
    except OSError:
        continue
    raise SystemExit(f"{{place}} can be written")
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1)
except OSError as error:
    assert error.errno != 111, "refused by the host: the network is there"
assert not [name for name in os.listdir("/proc") if name.isdigit() and int(name) > 20], "other processes"
""")


def test_a_package_that_never_ends_is_ended_with_what_it_started(
    try_with: Try, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "CHECK_SECONDS", 1.0)
    with pytest.raises(EnvironmentFailed, match="did not start within"):
        try_with("import os, time\nif not os.fork():\n    os.setsid()\ntime.sleep(600)")
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and _runs(pid, str(root).encode())]


def _runs(pid: str, word: bytes) -> bool:
    try:
        return word in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False
