"""A hub run by a plain service user: an installation that everybody can read, a home, a course that is theirs.

The tests' own Python may lie in a directory that only root can pass, so this one is made from the system's.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import mograder

SYSTEM_PYTHON = "/usr/bin/python3"
UID = 21500

RANGE = 3_000_000
"""Where the subordinate users begin that ``with_a_range`` gives."""

_NOT_OURS = ("XDG_", "VIRTUAL_ENV", "PYTHON", "UV_CACHE", "TMPDIR")


def with_a_range(place: Path, uid: int) -> list[str]:
    """What runs the rest of its words as a user with a name and a range of subordinate ids.

    Both are known in a mount namespace of its own only; ``place`` is for the files that say so.
    """
    if not place.exists():
        place.mkdir()
        for name, line in (
            ("passwd", f"hubtest:x:{uid}:{uid}::/nonexistent:/bin/sh\n"),
            ("subuid", f"hubtest:{RANGE}:1000\n"),
            ("subgid", f"hubtest:{RANGE}:1000\n"),
        ):
            (place / name).write_text(Path("/etc", name).read_text() + line)
    mounts = "; ".join(f"mount --bind {place}/{name} /etc/{name}" for name in ("passwd", "subuid", "subgid"))
    become = f"setpriv --reuid {uid} --regid {uid} --clear-groups"
    return ["unshare", "--mount", "sh", "-c", f'{mounts}; exec {become} "$@"', "sh"]


class Service:
    """An unprivileged user with an installation below ``root``, which must be passable for everybody.

    ``become`` are words that run the rest of theirs as this user.
    """

    def __init__(self, root: Path) -> None:
        self.become = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        self._root = root
        self.home = root / "home"
        self._venv = root / "venv"
        root.mkdir(mode=0o755)
        self._install()
        self.home.mkdir()
        os.chown(self.home, UID, UID)

    @property
    def python(self) -> str:
        return str(self._venv / "bin" / "python")

    def with_a_range(self) -> Service:
        """The same user and installation on a host that gives it users for its students."""
        other = copy.copy(self)
        other.become = with_a_range(self._root / "etc", UID)
        return other

    def own(self, directory: Path) -> Path:
        """Give a tree to the user."""
        subprocess.run(["chown", "-R", f"{UID}:{UID}", str(directory)], check=True)
        return directory

    def environment(self) -> dict[str, str]:
        """What the hub gets: ours, which says how the package index is reached, but for what is the user's own."""
        mine = {"PATH": f"{self._venv}/bin:/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8"}
        others = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_OURS)}
        return others | mine

    def _install(self) -> None:
        subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(self._venv)], check=True)
        ours = Path(sysconfig.get_path("purelib"))
        (target,) = self._venv.glob("lib/python3.*/site-packages")
        assert target.parent.name == ours.parent.name, (
            "the system's Python is of another version than the tests'"
        )
        if subprocess.run(["cp", "-al", f"{ours}/.", target], check=False, capture_output=True).returncode:
            subprocess.run(["cp", "-a", f"{ours}/.", target], check=True)  # that lies on another file system
        package = Path(mograder.__file__).parent
        shutil.rmtree(target / "mograder", ignore_errors=True)
        shutil.copytree(package, target / "mograder")
        for editable in target.glob("*editable*mograder*"):
            editable.unlink()
        uv = shutil.which("uv", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
        assert uv is not None
        shutil.copy(uv, self._venv / "bin" / "uv")
        subprocess.run(["chmod", "-R", "a+rX", str(self._venv)], check=True)
