"""``mograder.hub.belongings``: files beside a notebook, over HTTP of a real hub with little disk space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.support.hub import RunningHub, make_course, running

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

ITEM = "A1-Answer"
SMALL = '[hub]\ntitle = "Test course"\nsession_disk_mb = 8\ninstructors = ["prof"]\n'


@pytest.fixture(scope="module")
def small(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "small", SMALL)) as up:
        yield up


@pytest.fixture
def fay(small: RunningHub, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    name = "fay-" + str(abs(hash(request.node.name)) % 10**6)
    with small.client(name) as client:
        client.name = name  # type: ignore[attr-defined]
        client.post(f"download-release/{name}/{ITEM}")
        yield client


def folder(hub: RunningHub, client: httpx.Client) -> Path:
    return hub.course / "hub-notebooks" / client.name / ITEM  # type: ignore[attr-defined,no-any-return]


def send(client: httpx.Client, **files: bytes) -> httpx.Response:
    parts = [("files", (name.replace("__", "."), data)) for name, data in files.items()]
    return client.post(f"files/{client.name}/{ITEM}", files=parts)  # type: ignore[attr-defined]


def test_several_files_are_put_beside_the_notebook_at_once(small: RunningHub, fay: httpx.Client) -> None:
    answer = send(fay, measured__csv=b"1,2\n", notes__txt=b"hello")
    assert answer.status_code == 200
    said = answer.json()
    assert said["files"] == ["measured.csv", "notes.txt"]
    assert said["quota"] == 8 << 20
    assert (folder(small, fay) / "notes.txt").read_bytes() == b"hello"


def test_a_file_that_is_replaced_or_deleted_comes_back(small: RunningHub, fay: httpx.Client) -> None:
    user = fay.name  # type: ignore[attr-defined]
    send(fay, data__csv=b"mine")
    kept = [v for v in fay.get(f"versions/{user}/{ITEM}").json() if v["file"] == "data.csv"]
    assert len(kept) == 1
    answer = fay.post(f"delete-file/{user}/{ITEM}", data={"path": "data.csv"})
    assert answer.status_code == 200
    assert not (folder(small, fay) / "data.csv").exists()
    fay.post(f"restore/{user}/{ITEM}", data={"version": answer.json()["archive"]})
    assert (folder(small, fay) / "data.csv").read_bytes() == b"mine"
    fay.post(f"restore/{user}/{ITEM}", data={"version": kept[0]["id"]})
    assert (folder(small, fay) / "data.csv").read_text() == "x,y\n1,2\n"


def test_a_file_in_a_directory_comes_back_where_it_was(small: RunningHub, fay: httpx.Client) -> None:
    user = fay.name  # type: ignore[attr-defined]
    place = folder(small, fay) / "images" / "plot.png"
    place.parent.mkdir()
    place.write_bytes(b"PNG")
    kept = fay.post(f"delete-file/{user}/{ITEM}", data={"path": "images/plot.png"}).json()["archive"]
    assert not place.exists()
    assert quote(kept, safe="") in fay.get(f"files/{user}/{ITEM}").text
    answer = fay.get(f"versions/{user}/{ITEM}/{quote(kept, safe='')}")
    assert (answer.status_code, answer.content) == (200, b"PNG")
    assert 'filename="plot.png"' in answer.headers["content-disposition"]
    fay.post(f"restore/{user}/{ITEM}", data={"version": kept})
    assert place.read_bytes() == b"PNG"
    place.unlink()
    place.parent.rmdir()


def test_what_does_not_fit_is_refused_with_a_sentence_and_nothing_is_lost(
    small: RunningHub, fay: httpx.Client
) -> None:
    before = {path.name: path.read_bytes() for path in folder(small, fay).iterdir()}
    answer = send(fay, data__csv=b"a" * (5 << 20), more__bin=b"b" * (4 << 20))
    assert answer.status_code == 413
    assert "do not fit: A1-Answer uses 0.0 MB of 8.0 MB. Nothing was changed." in answer.json()["detail"]
    assert {path.name: path.read_bytes() for path in folder(small, fay).iterdir()} == before


def test_a_file_may_take_the_room_of_the_one_that_it_replaces(fay: httpx.Client) -> None:
    assert send(fay, big__bin=b"a" * (5 << 20)).status_code == 200
    assert send(fay, big__bin=b"b" * (6 << 20)).status_code == 200
    assert send(fay, other__bin=b"b" * (3 << 20)).status_code == 413


def test_a_file_with_the_notebooks_name_replaces_the_notebook(small: RunningHub, fay: httpx.Client) -> None:
    text = (folder(small, fay) / f"{ITEM}.py").read_text().replace("None", "42")
    user = fay.name  # type: ignore[attr-defined]
    parts = [("files", (f"{ITEM}.py", text)), ("files", ("extra.txt", "beside"))]
    answer = fay.post(f"files/{user}/{ITEM}", files=parts)
    assert answer.json()["archive"]
    assert (folder(small, fay) / f"{ITEM}.py").read_text() == text
    assert (folder(small, fay) / "extra.txt").read_text() == "beside"


@pytest.mark.parametrize(
    "path", ["A1-Answer.py", "../A1-Answer/data.csv", ".hidden", "nowhere.txt", "a/../data.csv"]
)
def test_only_plain_files_beside_the_notebook_can_be_deleted(
    small: RunningHub, fay: httpx.Client, path: str
) -> None:
    (folder(small, fay) / ".hidden").write_text("x")
    answer = fay.post(f"delete-file/{fay.name}/{ITEM}", data={"path": path})  # type: ignore[attr-defined]
    assert answer.status_code in (404, 409)
    assert (folder(small, fay) / "data.csv").exists()
    assert (folder(small, fay) / ".hidden").exists()


@pytest.mark.parametrize("name", ["..", "a/b", ".env", "\u202etxt.x", "y" * 250])
def test_a_name_that_is_none_is_refused_and_no_other_file_is_taken(fay: httpx.Client, name: str) -> None:
    user = fay.name  # type: ignore[attr-defined]
    parts = [("files", ("fine.txt", b"1")), ("files", (name, b"2"))]
    assert fay.post(f"files/{user}/{ITEM}", files=parts).status_code in (400, 422)
    assert "fine.txt" not in fay.get(f"files/{user}/{ITEM}").text


def test_a_file_is_downloaded_as_an_attachment_and_links_are_not_followed(
    small: RunningHub, fay: httpx.Client
) -> None:
    user = fay.name  # type: ignore[attr-defined]
    (folder(small, fay) / "deep").mkdir()
    (folder(small, fay) / "deep" / "p.html").write_text("<script>alert(1)</script>")
    (folder(small, fay) / "link.txt").symlink_to("/etc/passwd")
    answer = fay.get(f"files/{user}/{ITEM}/deep/p.html")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.text == "<script>alert(1)</script>"
    assert fay.get(f"files/{user}/{ITEM}/link.txt").status_code == 409
    assert fay.get(f"files/{user}/{ITEM}/.hidden").status_code in (404, 409)


def test_all_work_comes_as_one_zip_and_is_closed_to_others(small: RunningHub, fay: httpx.Client) -> None:
    user = fay.name  # type: ignore[attr-defined]
    answer = fay.get(f"all-work/{user}")
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.content[:2] == b"PK"
    with small.client("mallory") as other, small.client("prof") as prof:
        for path in (f"all-work/{user}", f"files/{user}/{ITEM}", f"files/{user}/{ITEM}/data.csv"):
            assert other.get(path).status_code == 403
            assert prof.get(path).status_code == 200


def test_the_dashboard_says_when_the_space_is_nearly_full(fay: httpx.Client) -> None:
    assert "MB used" not in fay.get("").text
    send(fay, big__bin=b"a" * (7 << 20))
    assert "8 of 8 MB used" in fay.get("").text
