"""Students at a real hub: each with a browser of their own, a workspace, and tabs on live notebooks."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx

from tests.support.hub import RunningHub, by_proxy
from tests.support.marimo_client import MarimoClient

ITEM = "A1-Answer"


class Student:
    """Somebody who works on an assignment through the hub, the way a browser does."""

    def __init__(self, hub: RunningHub, name: str, item: str = ITEM) -> None:
        self.hub = hub
        self.name = name
        self.item = item
        self._opened = ExitStack()
        self.http = self._opened.enter_context(hub.client(name))

    @property
    def workspace(self) -> Path:
        return self.hub.course / "hub-notebooks" / self.name / self.item

    @property
    def notebook(self) -> Path:
        return self.workspace / f"{self.item}.py"

    def start(self) -> httpx.Response:
        """Press "open": the hub's answer when the session is up."""
        return self.http.post(f"start-edit-deep/{self.item}")

    def tab(self, session_id: str | None = None) -> MarimoClient:
        """A tab on the editor that runs, not yet loaded."""
        url = f"{self.hub.url}edit/user/{self.name}/{self.item}"
        headers = by_proxy(self.name)
        return self._opened.enter_context(MarimoClient(url=url, headers=headers, session_id=session_id))

    def edit(self) -> MarimoClient:
        """Open the notebook and wait until its cells have run."""
        started = self.start()
        assert started.status_code == 200, started.text
        return self.tab().start()

    def stop(self) -> httpx.Response:
        return self.http.post(f"stop-edit/{self.name}/{self.item}")

    def sessions(self) -> list[str]:
        """What the hub says runs for this student."""
        return [entry["assignment"] for entry in self.http.get("sessions").json()]

    def moved_to(self, hub: RunningHub) -> Student:
        """The same person at a hub that took over; tabs that are open stay open."""
        there = Student(hub, self.name, self.item)
        self._opened.push(there)
        return there

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> Student:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
