"""The JSON routes, asked over HTTP of a real hub with real notebooks."""

from __future__ import annotations

import concurrent.futures
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.hub import NOTEBOOK, RunningHub, make_course, running

pytestmark = pytest.mark.real


@pytest.fixture
def alice(hub: RunningHub, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Somebody new for each test."""
    name = "alice-" + str(abs(hash(request.node.name)) % 10**8)
    with hub.client(name) as client:
        client.user = name  # type: ignore[attr-defined]
        yield client
        client.post(f"stop-edit/{name}/A1-Answer")
        client.post(f"stop-run/{name}/L01-Intro")


def me(client: httpx.Client) -> str:
    return client.user  # type: ignore[attr-defined,no-any-return]


def status(client: httpx.Client) -> str:
    return str(client.get(f"status/{me(client)}/A1-Answer").json()["file_status"])


def notebook(hub: RunningHub, client: httpx.Client) -> str:
    return (hub.course / "hub-notebooks" / me(client) / "A1-Answer" / "A1-Answer.py").read_text()


def test_a_newcomer_sees_every_item_as_not_started(alice: httpx.Client) -> None:
    assert alice.get("assignments").json() == [
        {
            "name": "A1-Answer",
            "type": "assignment",
            "file_status": "not_started",
            "has_release": True,
            "session_active": False,
        },
        {
            "name": "L01-Intro",
            "type": "lecture",
            "file_status": "n/a",
            "has_release": True,
            "session_active": False,
        },
    ]


def test_download_copies_the_release_and_its_files(hub: RunningHub, alice: httpx.Client) -> None:
    answer = alice.post(f"download-release/{me(alice)}/A1-Answer")
    assert answer.json() == {"status": "ok", "file_status": "uploaded", "archive": None}
    assert notebook(hub, alice) == NOTEBOOK.format(title="The answer")
    assert (hub.course / "hub-notebooks" / me(alice) / "A1-Answer" / "data.csv").exists()


def test_the_file_status_follows_the_work(hub: RunningHub, alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    path = hub.course / "hub-notebooks" / me(alice) / "A1-Answer" / "A1-Answer.py"
    path.write_text(path.read_text().replace("None  # YOUR", "42  # YOUR"))
    assert status(alice) == "modified"
    assert alice.post(f"mark-exported/{me(alice)}/A1-Answer").json() == {"status": "ok"}
    assert status(alice) == "exported"
    path.write_text(path.read_text().replace("42", "43"))
    assert status(alice) == "modified"


def test_export_gives_the_notebook_as_an_attachment(alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    answer = alice.get(f"export/{me(alice)}/A1-Answer")
    assert answer.text == NOTEBOOK.format(title="The answer")
    assert 'attachment; filename="A1-Answer.py"' in answer.headers["content-disposition"]
    assert status(alice) == "exported"


def test_reset_brings_the_release_back_and_keeps_the_work(hub: RunningHub, alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    path = hub.course / "hub-notebooks" / me(alice) / "A1-Answer" / "A1-Answer.py"
    path.write_text("# my precious work\n" + path.read_text())
    answer = alice.post(f"reset/{me(alice)}/A1-Answer").json()
    assert answer["status"] == "ok"
    assert answer["file_status"] == "uploaded"
    assert not notebook(hub, alice).startswith("# my precious work")
    kept = alice.get(f"versions/{me(alice)}/A1-Answer/{answer['archive']}")
    assert kept.text.startswith("# my precious work")
    restored = alice.post(f"restore/{me(alice)}/A1-Answer", data={"version": answer["archive"]})
    assert restored.status_code == 200
    assert notebook(hub, alice).startswith("# my precious work")


def test_an_upload_replaces_the_notebook_and_archives_the_old_one(
    hub: RunningHub, alice: httpx.Client
) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    mine = NOTEBOOK.format(title="Mine")
    answer = alice.post(f"upload/{me(alice)}/A1-Answer", files={"file": ("x.py", mine)})
    assert answer.json()["status"] == "ok"
    assert notebook(hub, alice) == mine
    kept = alice.get(f"versions/{me(alice)}/A1-Answer/{answer.json()['archive']}")
    assert kept.text == NOTEBOOK.format(title="The answer")


@pytest.mark.parametrize(
    ("data", "status_code"),
    [
        (b"", 400),
        (b"\x00\x01", 400),
        (b"def (:", 400),
        (b"print('just Python')\n", 400),
        (b"\xff\xfe", 400),
        (NOTEBOOK.replace("import marimo as mo", "import marimo as mo, subprocess").encode(), 400),
        (b"#" * (21 << 20), 413),
    ],
    ids=["empty", "NUL", "not Python", "not marimo", "not UTF-8", "unsafe", "21 MB"],
)
def test_what_is_no_notebook_replaces_nothing(
    hub: RunningHub, alice: httpx.Client, data: bytes, status_code: int
) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    before = notebook(hub, alice)
    answer = alice.post(f"upload/{me(alice)}/A1-Answer", files={"file": ("x.py", data)})
    assert answer.status_code == status_code, answer.text
    assert len(answer.json()["detail"]) > 20
    assert notebook(hub, alice) == before


def test_200_megabytes_are_refused_before_they_are_read(hub: RunningHub, alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    host, port = alice.base_url.host, alice.base_url.port
    with socket.create_connection((host, port), timeout=30) as raw:
        head = (
            f"POST /upload/{me(alice)}/A1-Answer HTTP/1.1\r\nHost: {host}:{port}\r\nX-Remote-User: {me(alice)}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {200 << 20}\r\n\r\n"
        )
        raw.sendall(head.encode())  # and not one byte of the body
        answer = b"".join(iter(lambda: raw.recv(65536), b"")).decode()
    assert answer.startswith("HTTP/1.1 413")
    assert "21 MB" in answer


def test_an_editor_opens_once_is_listed_and_stops(alice: httpx.Client) -> None:
    first = alice.post("start-edit-deep/A1-Answer")
    assert first.json() == {"status": "ok", "url": f"edit/user/{me(alice)}/A1-Answer/"}
    assert alice.post(f"start-edit/{me(alice)}/A1-Answer").json() == first.json()
    (listed,) = alice.get("sessions").json()
    assert (listed["username"], listed["assignment"], listed["type"]) == (
        me(alice),
        "A1-Answer",
        "assignment",
    )
    assert listed["url"] == first.json()["url"]
    page = alice.get(listed["url"])
    assert page.status_code == 200
    assert "marimo" in page.text
    stopped = alice.post(f"stop-edit/{me(alice)}/A1-Answer").json()
    assert stopped == {"status": "ok", "terminated": True}
    assert alice.get("sessions").json() == []
    assert alice.post(f"stop-edit/{me(alice)}/A1-Answer").json() == {"status": "ok", "terminated": False}


def test_ten_clicks_at_once_start_one_session(hub: RunningHub, alice: httpx.Client) -> None:
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: alice.post("start-edit-deep/A1-Answer"), range(10)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(alice.get("sessions").json()) == 1


def test_a_deep_link_never_overwrites_a_copy(hub: RunningHub, alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    path = hub.course / "hub-notebooks" / me(alice) / "A1-Answer" / "A1-Answer.py"
    path.write_text(path.read_text().replace("The answer", "My own"))
    alice.post("start-edit-deep/A1-Answer")
    assert "My own" in path.read_text()


def test_start_edit_needs_a_copy(alice: httpx.Client) -> None:
    answer = alice.post(f"start-edit/{me(alice)}/A1-Answer")
    assert answer.status_code == 404
    assert "no copy" in answer.json()["detail"]


def test_a_lecture_runs_for_each_person_and_an_assignment_does_not(alice: httpx.Client) -> None:
    answer = alice.post("start-run/L01-Intro")
    assert answer.json() == {"status": "ok", "url": f"run/user/{me(alice)}/L01-Intro/"}
    assert alice.get(answer.json()["url"]).status_code == 200
    refused = alice.post("start-run/A1-Answer")
    assert refused.status_code == 400
    assert "is an assignment" in refused.json()["detail"]


def test_validate_runs_the_notebook_and_tells_its_checks(hub: RunningHub, alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    waiting = alice.post(f"validate/{me(alice)}/A1-Answer").json()
    assert [(check["label"], check["status"]) for check in waiting["checks"]] == [("Q1: the answer", "warn")]
    path = hub.course / "hub-notebooks" / me(alice) / "A1-Answer" / "A1-Answer.py"
    path.write_text(path.read_text().replace("None  # YOUR", "42  # YOUR"))
    result = alice.post(f"validate/{me(alice)}/A1-Answer").json()
    assert [check["status"] for check in result["checks"]] == ["success"]
    assert result["export_ok"] is True
    assert set(result) == {
        "checks",
        "cell_errors",
        "export_ok",
        "export_error",
        "html_available",
        "integrity_level",
        "integrity_warnings",
    }
    report = alice.get(f"validate-report/{me(alice)}/A1-Answer")
    assert "The answer" in report.text
    assert report.headers["content-security-policy"].startswith("sandbox")


ENDLESS = """

@app.cell
def _(answer):
    while answer:
        pass
    return


if __name__ =="""


def test_checks_are_told_while_the_notebook_runs_and_an_endless_loop_leaves_those_that_finished(
    course_root: Path,
) -> None:
    course = make_course(course_root / "endless", "[hub]\nvalidate_timeout = 12\n")
    with running(course) as hub, hub.client("ada") as ada, ThreadPoolExecutor() as threads:
        ada.post("download-release/ada/A1-Answer").raise_for_status()
        path = course / "hub-notebooks" / "ada" / "A1-Answer" / "A1-Answer.py"
        text = path.read_text().replace("None  # YOUR", "42  # YOUR").replace("\n\nif __name__ ==", ENDLESS)
        path.write_text(text)
        answer = threads.submit(ada.post, "validate/ada/A1-Answer")
        with ada.stream("GET", "validate-events/ada/A1-Answer") as told:
            lines = iter(told.iter_lines())
            assert "event: check" in lines, answer.result().json()
            check = json.loads(next(lines).removeprefix("data: "))
            assert (check["label"], check["status"]) == ("Q1: the answer", "success")
            assert not answer.done()
            assert "event: end" in lines
        found = answer.result().json()
    assert [check["label"] for check in found["checks"]] == ["Q1: the answer"]
    assert found["export_ok"] is False
    assert found["export_error"] == (
        'The notebook did not finish within 12 s and was stopped. 1 check had finished, the last was "Q1: the answer".'
    )


def test_another_students_work_is_closed_on_every_route(hub: RunningHub, alice: httpx.Client) -> None:
    alice.post(f"download-release/{me(alice)}/A1-Answer")
    paths = httpx.get(hub.url + "openapi.json").json()["paths"]
    with hub.client("mallory") as mallory:
        tried = 0
        for path, methods in paths.items():
            if "{user}" not in path:
                continue
            for method in methods:
                target = path.format(
                    user=me(alice),
                    assignment="A1-Answer",
                    lecture="L01-Intro",
                    item="A1-Answer",
                    kind="edit",
                    version="x",
                    path="data.csv",
                )
                answer = mallory.request(method.upper(), target.lstrip("/"))
                assert answer.status_code in (403, 422), (method, path, answer.status_code)
                assert answer.status_code == 403 or "upload" in path or "restore" in path
                tried += 1
    assert tried > 10


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "user", "a%00b", "-rf", "A" * 65, "%ff", ".hidden", "A1\\B", "a b"]
)
def test_illegal_names_are_refused_with_a_sentence(alice: httpx.Client, name: str) -> None:
    for route in ("start-edit-deep", "start-run", f"status/{me(alice)}"):
        method = "GET" if route.startswith("status") else "POST"
        answer = alice.request(method, httpx.URL(str(alice.base_url) + route + "/" + name))
        assert answer.status_code in (404, 405, 422), (route, answer.status_code)
        assert answer.json()["detail"].endswith(".")


def test_unknown_items_are_404_and_the_published_ones_are_named(alice: httpx.Client) -> None:
    answer = alice.post("start-edit-deep/A9")
    assert answer.status_code == 404
    assert answer.json()["detail"] == 'No release named "A9". Published: A1-Answer, L01-Intro.'


@pytest.mark.parametrize("name", [".env", "files.json", "..%2fmograder.toml", "nothing.txt"])
def test_only_published_files_are_served(alice: httpx.Client, name: str) -> None:
    answer = alice.get(httpx.URL(str(alice.base_url) + "release/A1-Answer/" + name))
    assert answer.status_code in (404, 422)


def test_a_published_file_is_served(alice: httpx.Client) -> None:
    assert alice.get("release/A1-Answer/data.csv").text == "x,y\n1,2\n"


def test_another_sites_page_can_change_nothing(alice: httpx.Client) -> None:
    for proof in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = alice.post(f"download-release/{me(alice)}/A1-Answer", headers=proof)
        assert answer.status_code == 403
    assert status(alice) == "not_started"
