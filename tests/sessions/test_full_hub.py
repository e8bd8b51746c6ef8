"""A hub with one place: the second student waits in view, and comes up when the first has gone."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.hub import RunningHub, make_course, running

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def small_hub(course_root: Path) -> Iterator[RunningHub]:
    with running(make_course(course_root / "small", "[hub]\nmax_sessions = 1\n")) as hub:
        yield hub


class Watching:
    """The start page of one student: it follows the events of the start."""

    def __init__(self, hub: RunningHub, user: str) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.queued = threading.Event()
        self.over = threading.Event()
        self._client = hub.client(user)
        self._thread = threading.Thread(target=self._read, args=(f"events/edit/{user}/A1-Answer",))
        self._thread.start()

    def _read(self, address: str) -> None:
        kind = ""
        with self._client, self._client.stream("GET", address) as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((kind, json.loads(line.removeprefix("data: "))))
                    if kind == "queued":
                        self.queued.set()
        self.over.set()

    def join(self) -> list[str]:
        """Wait for the last event; the kinds of all."""
        self._thread.join(60)
        return [kind for kind, _ in self.events]


def test_the_second_student_sees_place_one_and_comes_up_by_itself(small_hub: RunningHub) -> None:
    with small_hub.client("ada") as ada, small_hub.client("bob") as bob, ThreadPoolExecutor(1) as pool:
        ada.post("start-edit-deep/A1-Answer").raise_for_status()
        click = pool.submit(bob.post, "start-edit-deep/A1-Answer")
        page = Watching(small_hub, "bob")
        assert page.queued.wait(30)
        assert [data["place"] for kind, data in page.events if kind == "queued"] == [1]
        assert ada.post("stop-edit/ada/A1-Answer").json()["terminated"] is True
        assert click.result().json() == {"status": "ok", "url": "edit/user/bob/A1-Answer/"}
        assert page.join()[-1] == "ready"
        assert bob.get("edit/user/bob/A1-Answer/").status_code == 200
        bob.post("stop-edit/bob/A1-Answer").raise_for_status()


def test_clicks_of_one_student_in_several_tabs_at_once_open_one_notebook(small_hub: RunningHub) -> None:
    with small_hub.client("cleo") as cleo, ThreadPoolExecutor(5) as pool:
        cleo.get("").raise_for_status()
        clicks = list(pool.map(lambda _: cleo.post("start-edit-deep/A1-Answer"), range(5)))
        assert [click.json() for click in clicks] == [
            {"status": "ok", "url": "edit/user/cleo/A1-Answer/"}
        ] * 5
        assert [session["assignment"] for session in cleo.get("sessions").json()] == ["A1-Answer"]
        assert cleo.get("edit/user/cleo/A1-Answer/").status_code == 200
        cleo.post("stop-edit/cleo/A1-Answer").raise_for_status()


def test_a_long_wait_is_answered_with_the_place_and_the_start_stays_in_the_queue(
    small_hub: RunningHub,
) -> None:
    with small_hub.client("ada") as ada, small_hub.client("cyd") as cyd:
        ada.post("start-edit-deep/A1-Answer").raise_for_status()
        answer = cyd.post("start-edit-deep/A1-Answer")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert "number 1 in the queue" in answer.json()["detail"]
        page = Watching(small_hub, "cyd")
        ada.post("stop-edit/ada/A1-Answer").raise_for_status()
        assert page.join()[-1] == "ready"  # nobody asked again
        cyd.post("stop-edit/cyd/A1-Answer").raise_for_status()


def test_a_student_who_gives_up_frees_the_place_in_the_queue(small_hub: RunningHub) -> None:
    with small_hub.client("ada") as ada, small_hub.client("dan") as dan, ThreadPoolExecutor(1) as pool:
        ada.post("start-edit-deep/A1-Answer").raise_for_status()
        click = pool.submit(dan.post, "start-edit-deep/A1-Answer")
        page = Watching(small_hub, "dan")
        assert page.queued.wait(30)
        dan.post("stop-edit/dan/A1-Answer").raise_for_status()
        assert click.result().status_code == 409
        assert page.join()[-1] == "failed"
        ada.post("stop-edit/ada/A1-Answer").raise_for_status()
        assert dan.get("sessions").json() == []
