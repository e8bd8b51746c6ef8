"""The attacks as code of a notebook, in the editor of a real hub."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import inside
from tests.support.hub import RunningHub, make_course, start
from tests.support.marimo_client import MarimoClient
from tests.support.service import Service
from tests.support.students import ITEM, Student

pytestmark = pytest.mark.real

SOURCE = Path(inside.__file__).read_text()
CELL = """import json
source = {source!r}
inside = {{"__name__": "inside"}}
exec(source, inside)
"""


class Scene:
    """A hub with a secret, bob who works there, and what alice could guess of it."""

    def __init__(self, stack: ExitStack, hub: RunningHub, secret: str) -> None:
        self.hub = hub
        self.bob = stack.enter_context(Student(hub, "bob"))
        self.bobs_tab = self.bob.edit()
        self.alice = stack.enter_context(Student(hub, "alice"))
        (hub.course / "hub-notebooks" / "bob" / "solution.py").write_text("the work of bob")
        secret_file = hub.course / "secret"
        secret_file.write_text(secret)
        secret_file.chmod(0o644)  # readable by everybody: only the sandbox keeps it
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = "hub-" + secrets.token_hex(4)
        abstract.bind("\0" + name)
        abstract.listen()
        (bobs_socket,) = (hub.course / ".mograder" / "sessions").glob("*/s*")
        control = hub.course / ".mograder" / "engine" / "control"
        made = (hub.course / ".mograder" / "environments").glob("*/bin")
        environment = max(
            made, key=lambda place: place.stat().st_mtime
        )  # one that was lent may not be in use
        self.facts: dict[str, Any] = {
            "hub_port": int(hub.url.rstrip("/").rpartition(":")[2]),
            "hub_abstract": name,
            "hub_socket": str(control if control.exists() else bobs_socket),
            "peer_socket": str(bobs_socket),
            "peer_directory": str(self.bob.workspace.parent),
            "secret_file": str(secret_file),
            "secret_reversed": secret[::-1],
            "hub_pid": hub.pid,
            "read_only": [str(environment.parent), str(hub.course / "hub-release")],
            "workspace": "/home/student/work",
        }

    def attack(self, **facts: Any) -> list[dict[str, Any]]:
        """Every attack, run by a cell of alice's."""
        tab = self.alice.edit()
        code = CELL.format(source=SOURCE) + (
            f"results = inside['run'](json.loads({json.dumps({**self.facts, **facts})!r}))\n"
            "open('results.json', 'w').write(json.dumps(results))"
        )
        tab.run(tab.cells[2], code, timeout=300)
        results = self.alice.workspace / "results.json"
        assert results.exists(), (tab.output(tab.cells[2]), tab.outputs[tab.cells[2]].console)
        found: list[dict[str, Any]] = json.loads(results.read_text())
        return found


def hub_of_root(stack: ExitStack, course: Path, secret: str, config: str = "") -> RunningHub:
    hub = start(make_course(course, config), env={"MOGRADER_HUB_SECRET": secret})
    stack.callback(hub.stop, 2)
    return hub


def contained(results: list[dict[str, Any]]) -> None:
    assert [result["name"] for result in results] == [name for name, _, _ in inside.ATTACKS]
    assert {result["name"]: result["detail"] for result in results if result["contained"] is not True} == {}


def goes_on(tab: MarimoClient) -> None:
    assert "42" in tab.run(tab.cells[2], "6 * 7", timeout=10)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def service(course_root: Path) -> Service:
    course_root.chmod(0o755)
    return Service(course_root / "service")


def hub_of_a_service(
    stack: ExitStack, service: Service, course: Path, secret: str, config: str = ""
) -> RunningHub:
    service.own(make_course(course, config))
    hub = start(course, env={"MOGRADER_HUB_SECRET": secret}, service=service)
    stack.callback(hub.stop, 2)
    return hub


def test_every_attack_from_a_notebook_is_contained(stack: ExitStack, course_root: Path) -> None:
    secret = "canary-" + secrets.token_hex(16)
    scene = Scene(stack, hub_of_root(stack, course_root / "attacked", secret), secret)
    contained(scene.attack())
    goes_on(scene.bobs_tab)


def test_every_attack_is_contained_by_the_hub_of_a_plain_user(
    stack: ExitStack, service: Service, course_root: Path
) -> None:
    secret = "canary-" + secrets.token_hex(16)
    scene = Scene(stack, hub_of_a_service(stack, service, course_root / "served", secret), secret)
    contained(scene.attack())
    goes_on(scene.bobs_tab)


@pytest.fixture(scope="module")
def ranged(service: Service, course_root: Path) -> Iterator[Scene]:
    """As a university's machine has it: a plain user with a range of subordinate users, one for each student."""
    secret = "canary-" + secrets.token_hex(16)
    config = '[hub]\ntitle = "Range"\ninstructors = ["prof"]\n'
    with ExitStack() as stack:
        hub = hub_of_a_service(stack, service.with_a_range(), course_root / "ranged", secret, config)
        yield Scene(stack, hub, secret)


def test_every_attack_is_contained_where_each_student_is_a_subordinate_user(ranged: Scene) -> None:
    contained(ranged.attack())
    goes_on(ranged.bobs_tab)


def test_a_warm_process_passes_its_trial_where_each_student_is_a_subordinate_user(ranged: Scene) -> None:
    with ranged.hub.client("prof") as prof:
        rows = prof.get("teach/health", params={"format": "csv"}).text
    assert "a host user per student,ok,1000 subordinate users" in rows
    assert f"warm {ITEM},ok,warm" in rows


WORK = """import tempfile
answer = 42
open('data.csv', 'a').write('3,4\\n')
open(tempfile.mkdtemp(dir='.') + '/mine', 'w').close()"""


def test_a_subordinate_user_and_the_hub_share_the_files_of_a_workspace(ranged: Scene) -> None:
    with Student(ranged.hub, "eve") as eve:
        tab = eve.edit()
        tab.run(tab.cells[2], WORK)
        tab.save(f"{ITEM}.py")
        assert eve.workspace.joinpath("data.csv").read_text().endswith("3,4\n")
        assert b"answer = 42" in eve.http.get(f"export/eve/{ITEM}").content
        checked = eve.http.post(f"validate/eve/{ITEM}").json()
        assert [check["status"] for check in checked["checks"]] == ["success"], checked
        assert not list((ranged.hub.course / ".mograder" / "run").glob("mograder-*")), (
            "it could not be cleared"
        )
        assert eve.http.post("start-run/L01-Intro").status_code == 200
        assert eve.http.post(f"reset/eve/{ITEM}").json()["status"] == "ok"
        tab = eve.edit()
        tab.run(tab.cells[2], "open('data.csv', 'a').write('5,6\\n')")
        assert eve.workspace.joinpath("data.csv").read_text().endswith("5,6\n")
        eve.stop()
        (closed,) = eve.workspace.glob("tmp*")
        assert closed.stat().st_mode & 0o070 == 0o070


#: The kernel tells a session from where on the disk its mounts come, and no mount call hides that (docs/design.md).
ROOTS = """
from pathlib import Path
rows = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
shown = [(row[3], row[4]) for row in rows]
Path("mounts.json").write_text(__import__("json").dumps(shown))
"""

SYSTEM = ("/usr", "/etc", "/bin", "/sbin", "/lib", "/dev", "/proc", "/tmp", "/sys")


def test_the_mount_table_shows_nothing_of_the_host_but_what_a_session_has(
    stack: ExitStack, course_root: Path
) -> None:
    hub = hub_of_root(stack, course_root / "mounted", "x" * 32)
    bob, alice = (stack.enter_context(Student(hub, name)) for name in ("bob", "alice"))
    bob.edit()
    tab = alice.edit()
    tab.run(tab.cells[2], ROOTS, timeout=600)
    shown = json.loads((alice.workspace / "mounts.json").read_text())
    assert {root for root, place in shown if place == "/"} == {"/newroot"}  # bubblewrap's own
    of_the_host = {
        place: root for root, place in shown if "/" not in (root, place) and not place.startswith(SYSTEM)
    }
    assert of_the_host.pop("/home/student/work").endswith("/hub-notebooks/alice/A1-Answer")
    # What is left is there for everybody, at the same path inside: Python, and the environment of the item.
    environments = str(hub.course / ".mograder" / "environments")
    assert {place for place in of_the_host if place.startswith(environments)}
    assert not [place for place, root in of_the_host.items() if not root.endswith(place)]
    text = json.dumps(shown)
    assert not [word for word in ("bob", "engine", "sessions", "hub-release", "state") if f"/{word}" in text]


#: Attacks that need nothing but the absence of the sandbox, of every category.
SUCCEED = {
    "read_the_files_of_another_student",
    "read_a_file_of_the_hub",
    "look_around_on_the_host",
    "read_a_secret_from_an_environment",
    "reach_the_hub_over_tcp",
    "reach_an_abstract_socket",
    "reach_a_socket_by_its_path",
    "find_an_interface",
    "see_a_process_of_the_host",
    "signal_the_hub",
}


def test_the_same_attacks_succeed_where_notebooks_run_without_a_sandbox(
    stack: ExitStack, service: Service, course_root: Path
) -> None:
    """Or they would prove nothing. By a plain user: some of them, as root, would change the machine."""
    secret = "canary-" + secrets.token_hex(16)
    config = '[hub]\ntitle = "Open course"\nsandbox = "off"\n'
    scene = Scene(stack, hub_of_a_service(stack, service, course_root / "open", secret, config), secret)
    results = scene.attack(workspace=str(scene.alice.workspace))
    escaped = {result["name"] for result in results if result["contained"] is not True}
    assert escaped >= SUCCEED, SUCCEED - escaped
