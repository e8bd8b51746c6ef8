"""What instructors do to a real hub over HTTP and with the command line."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from mograder.hub.identity import tokens
from mograder.hub.identity.model import Role
from mograder.hub.releases import MAX_PUBLISHED_BYTES
from tests.support.hub import NOTEBOOK, RunningHub, end_engine, make_course, running, start

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SECRET = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def hub(course_root: Path) -> Iterator[RunningHub]:
    course = make_course(course_root / "teaching", '[hub]\ntrusted_proxies = ["127.0.0.1"]\n')
    with running(course, dev=False, env={"MOGRADER_HUB_SECRET": SECRET}) as up:
        yield up


def client(hub: RunningHub, user: str = "prof", role: Role = Role.INSTRUCTOR) -> httpx.Client:
    token = tokens.make(SECRET, user, role)
    return httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {token}"}, timeout=300)


def send(hub: RunningHub, name: str, files: dict[str, bytes], type_: str | None = None) -> httpx.Response:
    parts = [("files", (file, data)) for file, data in files.items()]
    with client(hub) as prof:
        return prof.post(f"publish/{name}", params={} if type_ is None else {"type": type_}, files=parts)


def start_command(
    hub: RunningHub, *words: str, env: dict[str, str] | None = None, stderr: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    env = {
        **os.environ,
        "MOGRADER_HUB_URL": hub.url,
        "MOGRADER_HUB_INSTRUCTOR_TOKEN": tokens.make(SECRET, "prof", Role.INSTRUCTOR),
        **(env or {}),
    }
    whole = [sys.executable, "-m", "mograder", "hub", "-C", str(hub.course), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(whole, env=env, stdin=pipe, stdout=pipe, stderr=stderr, text=True)


def command(hub: RunningHub, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    with start_command(hub, *words) as process:
        out, said = process.communicate(text, timeout=600)
    return subprocess.CompletedProcess(words, process.returncode, out, said)


def notebook(title: str) -> bytes:
    return NOTEBOOK.format(title=title).encode()


def test_what_is_published_is_there_for_students(hub: RunningHub) -> None:
    answer = send(hub, "A2-New", {"A2-New.py": notebook("New"), "table.csv": b"a,b\n"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"status": "ok", "files": ["A2-New.py", "table.csv"], "type": "assignment"}
    with client(hub, "ada", Role.STUDENT) as ada:
        assert "A2-New" in [item["name"] for item in ada.get("assignments").json()]
        assert ada.get("release/A2-New/table.csv").content == b"a,b\n"


def test_directories_of_a_release_reach_students_and_their_checks(hub: RunningHub) -> None:
    """From ``release/`` by the command to a student's notebook that opens ``images/answer.txt``, and is checked."""
    release = hub.course / "release" / "A8-Nested"
    for place, data in {
        "A8-Nested.py": notebook("Nested"), "images/answer.txt": b"42", "lib/__init__.py": b"",
        "__pycache__/x.pyc": b"x", ".git/config": b"x",
    }.items():  # fmt: skip
        (release / place).parent.mkdir(parents=True, exist_ok=True)
        (release / place).write_bytes(data)
    done = command(hub, "publish", "A8", "--force")
    assert done.returncode == 0, done.stderr
    assert "assignment: A8-Nested.py, images/answer.txt, lib/__init__.py" in done.stdout
    assert "same     images/answer.txt" in command(hub, "publish", "A8", "--force", "--dry-run").stdout
    with client(hub, "nell", Role.STUDENT) as nell:
        answer = nell.get("release/A8-Nested/images/answer.txt")
        assert (answer.content, answer.status_code) == (b"42", 200)
        for crafted in ("images/../../../mograder.toml", "images", "images/.x", ".environment.lock"):
            assert nell.get(f"release/A8-Nested/{quote(crafted, safe='')}").status_code in (404, 422)
        nell.post("download-release/nell/A8-Nested").raise_for_status()
        copy = hub.course / "hub-notebooks/nell/A8-Nested"
        whole, images = copy.stat(), (copy / "images").stat()  # the session's user reaches both
        assert (images.st_uid, images.st_gid, images.st_mode) == (whole.st_uid, whole.st_gid, whole.st_mode)
        mine = notebook("Nested").replace(b"answer = None", b'answer = int(open("images/answer.txt").read())')
        (copy / "A8-Nested.py").write_bytes(mine)
        checks = nell.post("validate/nell/A8-Nested").json()["checks"]
        assert [check["status"] for check in checks] == ["success"]


def test_the_type_is_the_one_asked_for(hub: RunningHub) -> None:
    answer = send(hub, "L02-Asked", {"L02-Asked.py": notebook("Asked")}, "lecture")
    assert answer.json()["type"] == "lecture"
    assert send(hub, "L02-Asked", {"L02-Asked.py": notebook("Asked")}, "exam").status_code == 422


@pytest.mark.parametrize(
    ("files", "status", "word"),
    [
        ({"other.py": b"x"}, 422, "no notebook"),
        ({"A3-Bad.py": b"print('no notebook')"}, 400, ""),
        ({"A3-Bad.py": b"\xff\xfe"}, 400, ""),
        ({"A3-Bad.py": notebook("x"), ".hidden": b""}, 422, ".hidden"),
        ({"A3-Bad.py": notebook("x"), "files.json": b"{}"}, 422, "files.json"),
        ({"A3-Bad.py": notebook("x"), "Data.csv": b"", "data.csv": b""}, 422, "differ by case alone"),
        (
            {"A3-Bad.py": b"# /// script\n# x\n# ///\n" + notebook("x").split(b"# ///\n")[-1]},
            422,
            "A3-Bad.py:2",
        ),
        ({"A3-Bad.py": b"# /// script\n# ///\n" + notebook("x")}, 422, "a second script header"),
        (
            {"A3-Bad.py": notebook("x").replace(b'"marimo"]', b'"marimo", "no-such-package-of-ours-1"]')},
            422,
            "A3-Bad.py:3: no-such-package-of-ours-1 can not be had: the index has no package of that name.",
        ),
    ],
)
def test_what_can_not_be_published_changes_nothing(
    hub: RunningHub, files: dict[str, bytes], status: int, word: str
) -> None:
    assert send(hub, "A3-Bad", {"A3-Bad.py": notebook("Before")}).status_code == 200
    answer = send(hub, "A3-Bad", files)
    assert answer.status_code == status, answer.text
    assert word in answer.json()["detail"]
    with client(hub) as prof:
        assert b"Before" in prof.get("release/A3-Bad/A3-Bad.py").content


def test_an_index_that_is_away_is_nobodys_fault_and_can_be_tried_again(course_root: Path) -> None:
    course = make_course(course_root / "no-index", '[hub]\nuv_cache_dir = "empty"\n')
    cut_off = {"MOGRADER_HUB_SECRET": SECRET, "UV_OFFLINE": "1"}
    with running(course, dev=False, env=cut_off) as hub:
        answer = send(hub, "A1-Answer", {"A1-Answer.py": notebook("Second")})
        assert answer.status_code == 503, answer.text
        assert "the package index can not be reached" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        with client(hub) as prof:
            assert b"The answer" in prof.get("release/A1-Answer/A1-Answer.py").content


def test_students_can_not_teach(hub: RunningHub) -> None:
    with client(hub, "ada", Role.STUDENT) as ada:
        assert ada.post("publish/A9", files={"files": ("A9.py", notebook("Mine"))}).status_code == 403
        assert ada.post("warm-cache").status_code == 403
        assert ada.post("sync-users", json={"users": ["ada"]}).status_code == 403


def test_the_cache_is_warmed_for_every_item(hub: RunningHub) -> None:
    with client(hub) as prof:
        answer = prof.post("warm-cache")
    assert answer.status_code == 200, answer.text
    assert {"A1-Answer", "L01-Intro"} <= set(answer.json()["warmed"])


def test_only_people_on_the_list_may_enter(hub: RunningHub) -> None:
    with client(hub) as prof, client(hub, "eve", Role.STUDENT) as eve:
        assert eve.get("assignments").status_code == 200
        assert prof.post("sync-users", json={"users": ["ada", "ada", "böb"]}).json() == {
            "status": "ok",
            "count": 2,
        }
        try:
            assert eve.get("assignments").status_code == 401
            assert prof.post("sync-users", json={"users": ["../x"]}).status_code == 422
            assert (hub.course / "allowed_users.txt").read_text() == "ada\nböb\n"
        finally:
            (hub.course / "allowed_users.txt").unlink()


def test_publishing_with_the_command(hub: RunningHub) -> None:
    place = hub.course / "release" / "A4-Command"
    place.mkdir(parents=True)
    (place / "A4-Command.py").write_bytes(notebook("By command"))
    (place / "link.txt").symlink_to("/etc/passwd")
    linked = command(hub, "publish", "A4", "--dry-run")
    assert linked.returncode == 1
    assert "link.txt is a symbolic link, so it can not be published. Tip: put a copy" in linked.stderr
    (place / "link.txt").unlink()
    dry = command(hub, "publish", "A4", "--dry-run")
    assert (dry.returncode, "Nothing was sent" in dry.stdout) == (0, True), dry.stderr
    with client(hub) as prof:
        assert prof.get("release/A4-Command/A4-Command.py").status_code == 404
        done = command(hub, "publish", "A4")
        assert done.returncode == 0, done.stderr
        assert "A4-Command is published as assignment: A4-Command.py\n" in done.stdout
        assert b"By command" in prof.get("release/A4-Command/A4-Command.py").content


def test_a_dry_run_says_what_would_change_on_the_hub(hub: RunningHub) -> None:
    place = hub.course / "release" / "A6-Dry"
    place.mkdir(parents=True)
    text = notebook("Dry").replace(b'"marimo"]', b'"marimo", "six"]')
    for name, data in (("A6-Dry.py", text), ("same.csv", b"1"), ("new.csv", b"2")):
        (place / name).write_bytes(data)
    assert "nothing by this name yet" in command(hub, "publish", "A6", "--dry-run").stdout
    before = {"A6-Dry.py": notebook("Before"), "same.csv": b"1", "old.csv": b"3"}
    assert send(hub, "A6-Dry", before, "lecture").status_code == 200
    dry = ("publish", "A6", "--dry-run", "--from", "2026-12-01 09:00", "--zone", "Europe/Zurich")
    assert command(hub, *dry).stdout.splitlines()[:21] == [
        "changed  A6-Dry.py",
        "new      new.csv",
        "removed  old.csv",
        "same     same.csv",
        "type: lecture becomes assignment",
        "dates: “Everybody sees it” becomes “Students see it from Tue 1 Dec 2026, 09:00 CET (Europe/Zurich)”",
        "dependencies:",
        "  + six",
        "--- published/A6-Dry/A6-Dry.py",
        "+++ release/A6-Dry/A6-Dry.py",
        "@@ -1,6 +1,6 @@",
        " # /// script",
        ' # requires-python = ">=3.11"',
        '-# dependencies = ["marimo"]',
        '+# dependencies = ["marimo", "six"]',
        " # ///",
        " import marimo",
        " ",
        "@@ -16,7 +16,7 @@",
        " ",
        " @app.cell",
    ]
    with client(hub) as prof, client(hub, "ada", Role.STUDENT) as ada:
        assert b"Before" in prof.get("release/A6-Dry/A6-Dry.py").content
        assert ada.get("publish/A6-Dry").status_code == 403


def test_a_dry_run_tells_dates_as_they_would_become_with_those_that_are_there(hub: RunningHub) -> None:
    place = hub.course / "release" / "A7-Dates"
    place.mkdir(parents=True)
    (place / "A7-Dates.py").write_bytes(notebook("Dates"))
    until = ("--until", "2027-01-31 12:00", "--zone", "UTC")
    assert command(hub, "publish", "A7", *until).returncode == 0
    same = command(hub, "publish", "A7", "--dry-run").stdout.splitlines()
    assert same[0] == "same     A7-Dates.py"
    assert same[1].startswith("A7-Dates would be published as assignment"), "nothing else changes"
    ended = command(hub, "publish", "A7", "--dry-run", "--until", "never").stdout
    sees = "Students see it until Sun 31 Jan 2027, 12:00 UTC (UTC)"
    assert f"dates: “{sees}” becomes “Everybody sees it”" in ended
    late = command(hub, "publish", "A7", "--dry-run", "--from", "2027-02-01", "--zone", "UTC")
    assert late.returncode == 1
    assert "before it is visible at all" in late.stderr
    with client(hub) as prof:
        assert prof.get("publish/A7-Dates").json()["visible"] == sees


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        (["MOGRADER_HUB_URL"], "--url"),
        (["MOGRADER_HUB_INSTRUCTOR_TOKEN"], "--token"),
        (["MOGRADER_HUB_URL", "MOGRADER_HUB_INSTRUCTOR_TOKEN"], "--url and --token"),
    ],
)
def test_a_dry_run_without_a_hub_says_that_it_compared_nothing(
    hub: RunningHub, without: list[str], missing: str
) -> None:
    place = hub.course / "release" / "A10-Alone"
    place.mkdir(parents=True, exist_ok=True)
    (place / "A10-Alone.py").write_bytes(notebook("Alone"))
    env = dict.fromkeys(without, "")
    with start_command(hub, "publish", "A10", "--dry-run", env=env) as process:
        out, said = process.communicate(timeout=600)
    assert (process.returncode, out.count("\n")) == (0, 1)
    assert "Nothing was sent." in out
    assert f"What would change on the hub is not known without {missing}.\n" in said


def test_the_steps_are_told_while_the_hub_prepares_the_packages(hub: RunningHub) -> None:
    place = hub.course / "release" / "A5-Steps"
    place.mkdir(parents=True)
    text = notebook("Steps").replace(b'"marimo"]', b'"marimo", "six"]')
    (place / "A5-Steps.py").write_bytes(text)
    done = command(hub, "publish", "A5")
    assert done.returncode == 0, done.stderr
    steps = done.stderr.splitlines()
    assert steps[1].startswith("A5-Steps: sending")
    assert len(steps) > 2, steps
    assert all(step.startswith("A5-Steps: ") for step in steps[1:])
    (place / "A5-Steps.py").write_bytes(text.replace(b'"six"', b'"no-such-package-of-ours-2"'))
    failed = command(hub, "publish", "A5")
    assert failed.returncode == 1
    assert "The hub refused: " in failed.stderr.splitlines()[-1]
    assert "no-such-package-of-ours-2" in failed.stderr.splitlines()[-1]
    with client(hub) as prof:
        assert b'"six"' in prof.get("release/A5-Steps/A5-Steps.py").content


def on_a_terminal(hub: RunningHub, *words: str) -> tuple[int, str, str]:
    """Exit status, standard output, and all that a terminal was sent."""
    terminal, far_end = os.openpty()
    with start_command(hub, *words, env={"TERM": "xterm", "COLUMNS": "100"}, stderr=far_end) as process:
        os.close(far_end)
        shown = b""
        with contextlib.suppress(OSError):  # that nobody writes to it any more
            while data := os.read(terminal, 1 << 16):
                shown += data
        os.close(terminal)
        out, _ = process.communicate(timeout=600)
    return process.returncode, out, shown.decode()


def test_on_a_terminal_a_bar_shows_the_upload_and_the_steps_follow_below(hub: RunningHub) -> None:
    place = hub.course / "release" / "A9-Bar"
    place.mkdir(parents=True)
    text = notebook("Bar").replace(b'"marimo"]', b'"marimo", "six==1.16.0"]')
    (place / "A9-Bar.py").write_bytes(text)
    (place / "data.bin").write_bytes(os.urandom(5_000_000))
    status, out, shown = on_a_terminal(hub, "publish", "A9")
    assert (status, out) == (0, "A9-Bar is published as assignment: A9-Bar.py, data.bin\n")
    assert re.search(r"\rA9-Bar: sending  \[-+\] +0%", shown.replace("\x1b[?25l", "")), shown[:400]
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor stays hidden"
    parts = [int(number) for number in re.findall(r"(\d+)%", shown)]
    assert parts == sorted(parts)
    assert parts[-1] == 100
    assert len(set(parts)) > 5, "the bar did not move"
    below = shown[shown.rindex("100%") :].split("\r\n")[1:]
    steps = [line for line in below if line.startswith("A9-Bar: ")]
    assert any("Preparing" in step for step in steps), below
    assert "sending" not in "".join(below), "the bar was drawn again"


def test_on_a_terminal_a_refusal_stands_on_a_line_of_its_own(hub: RunningHub) -> None:
    place = hub.course / "release" / "A9-Refused"
    place.mkdir(parents=True)
    text = notebook("Bar").replace(b'"marimo"]', b'"marimo", "no-such-package-of-ours-5"]')
    (place / "A9-Refused.py").write_bytes(text)
    status, out, shown = on_a_terminal(hub, "publish", "A9-Refused")
    assert (status, out) == (1, "")
    last = shown.rstrip().split("\r\n")[-1]
    assert last.startswith("mograder: The hub refused: A9-Refused.py:3: no-such-package-of-ours-5"), shown


def test_the_command_lets_people_in(hub: RunningHub) -> None:
    done = command(hub, "sync-users", "-", text="ada\n# comment\neve\n")
    assert (done.returncode, done.stdout) == (0, "2 people may enter.\n"), done.stderr
    (hub.course / "allowed_users.txt").unlink()
    assert command(hub, "sync-users", "-", text="# nobody\n").returncode == 1


def test_the_command_tells_dependencies_and_prepares_them(hub: RunningHub) -> None:
    listed = command(hub, "warm-cache", "--all", "--dry-run")
    assert "A1-Answer: marimo" in listed.stdout
    warmed = command(hub, "warm-cache")
    assert (warmed.returncode, "A1-Answer" in warmed.stdout) == (0, True), warmed.stderr


def test_a_hub_that_is_away_or_no_hub_is_one_sentence(hub: RunningHub, tmp_path: Path) -> None:
    away = command(hub, "publish", "A4", "--url", "http://127.0.0.1:9/")
    assert (away.returncode, away.stderr.count("\n") < 8) == (1, True)
    assert "can not be reached" in away.stderr
    assert "Traceback" not in away.stderr
    stranger = command(hub, "publish", "A4", "--token", "nonsense")
    assert stranger.returncode == 1
    assert "The hub refused" in stranger.stderr


def test_a_hub_that_goes_away_in_mid_publish_leaves_the_old_release_and_is_one_sentence(
    course_root: Path,
) -> None:
    course = make_course(course_root / "mid-publish")
    secret = {"MOGRADER_HUB_SECRET": SECRET}
    place = course / "release" / "A1-Answer"
    place.mkdir(parents=True)
    (place / "A1-Answer.py").write_bytes(notebook("Second"))
    (place / "data.csv").write_bytes(
        b"x" * 5_000_000
    )  # more than the kernel takes for a hub that does not read
    hub = start(course, dev=False, env=secret)
    try:
        hub.process.send_signal(signal.SIGSTOP)
        publishing = start_command(hub, "publish", "A1")
        assert publishing.stderr is not None
        assert any("sending" in line for line in publishing.stderr)
        wait_for_connection(publishing.pid, hub.url)
        hub.stop(signal.SIGKILL)
        said = publishing.stderr.read()
        publishing.communicate(timeout=600)
        assert publishing.returncode == 1
        assert said.count("\n") == 1
        assert "went away before it answered" in said
        hub = start(course, dev=False, env=secret)
        with client(hub) as prof:
            assert b"The answer" in prof.get("release/A1-Answer/A1-Answer.py").content
            assert command(hub, "publish", "A1").returncode == 0
            assert b"Second" in prof.get("release/A1-Answer/A1-Answer.py").content
    finally:
        hub.stop(signal.SIGINT)
        end_engine(course)


@pytest.mark.timeout(900)  # two hubs, which build three environments between them
def test_a_hub_that_is_killed_while_it_prepares_the_packages_serves_the_old_release_when_it_is_back(
    course_root: Path,
) -> None:
    course = make_course(course_root / "mid-packages")
    secret = {"MOGRADER_HUB_SECRET": SECRET}
    place = course / "release" / "A1-Answer"
    place.mkdir(parents=True)
    text = notebook("Second").replace(b'"marimo"]', b'"marimo", "six==1.16.0"]')
    (place / "A1-Answer.py").write_bytes(text)
    hub = start(course, dev=False, env=secret)
    try:
        publishing = start_command(hub, "publish", "A1")
        assert publishing.stderr is not None
        assert any("Preparing" in line for line in publishing.stderr)
        hub.stop(signal.SIGKILL)
        last = publishing.stderr.read().splitlines()[-1]
        publishing.communicate(timeout=600)
        assert publishing.returncode == 1
        assert last.startswith("mograder: The hub at ")
        assert "went away before it answered" in last
        assert sorted(path.name for path in (course / "hub-release").iterdir()) == ["A1-Answer", "L01-Intro"]
        hub = start(course, dev=False, env=secret)
        with client(hub) as prof:
            assert b"The answer" in prof.get("release/A1-Answer/A1-Answer.py").content
            assert prof.get("release/A1-Answer/data.csv").content == b"x,y\n1,2\n"
            again = command(hub, "publish", "A1")
            assert again.returncode == 0, again.stderr
            assert b"Second" in prof.get("release/A1-Answer/A1-Answer.py").content
        assert not list((course / ".mograder" / "environments").glob("building-*"))
    finally:
        hub.stop(signal.SIGINT, patience=120)  # it may be building for the other item
        end_engine(course)


def test_more_than_a_hub_takes_is_refused_before_any_of_it_is_sent(hub: RunningHub) -> None:
    address = urlsplit(hub.url)
    token = tokens.make(SECRET, "prof", Role.INSTRUCTOR)
    head = [
        "POST /publish/A1-Answer HTTP/1.1",
        f"Host: {address.netloc}",
        f"Authorization: Bearer {token}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {MAX_PUBLISHED_BYTES + 1}",
    ]
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 413 ")
    assert "more than the 256 MB that are accepted here; nothing was changed" in answer
    assert "connection: close" in answer.lower()
    with client(hub) as prof:
        assert b"The answer" in prof.get("release/A1-Answer/A1-Answer.py").content


def wait_for_connection(process: int, url: str) -> None:
    """Until ``process`` has a TCP connection to the hub."""
    port = f":{urlsplit(url).port:04X} 01 "  # 01: established
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        rows = [row.split() for row in Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]]
        if any(f"{row[2][8:]} {row[3]} " == port for row in rows):
            return
        time.sleep(0.02)
    raise AssertionError("no connection came")


def test_signing_out_ends_the_login_wherever_its_cookie_is(hub: RunningHub) -> None:
    with hub.client("mia") as mia, httpx.Client(base_url=hub.url) as copied:
        mia.get("assignments").raise_for_status()
        copied.cookies.update(dict(mia.cookies.items()))
        assert copied.get("assignments").status_code == 200
        asked = mia.get("logout", headers={"Accept": "text/html"})
        assert "Sign out?" in asked.text
        assert mia.post("logout").json() == {"status": "ok"}
        assert not mia.cookies
        assert copied.get("assignments").status_code == 401


def test_the_page_after_signing_out_says_so(hub: RunningHub) -> None:
    with hub.client("noa", Accept="text/html") as noa:
        page = noa.get("")
        token = re.search(r'name="csrf" value="(\w+)"', page.text)[1]  # type: ignore[index]
        assert 'logout"' in page.text
        assert noa.post("logout").status_code == 403
        left = noa.post("logout", data={"csrf": token})
        assert (left.status_code, "You are signed out" in left.text) == (200, True)
