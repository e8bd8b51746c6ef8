"""Cells that run before a browser is there: what they did is there when it comes, and whatever else it finds is what it
finds where they waited for it. In every supported version of marimo."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from marimo._server.session_manager import SessionManager
from websockets.exceptions import ConnectionClosed

from mograder.marimo_adapter import early, run_state
from mograder.marimo_adapter.owner import Warm
from tests.marimo_adapter.conftest import Live, Make, forked, warm_process
from tests.support.marimo_client import MarimoClient
from tests.support.marimo_environments import VERSIONS, python_with_marimo
from tests.support.processes import eventually

pytestmark = pytest.mark.real


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    return python_with_marimo(request.param)


@pytest.fixture(scope="module")
def warm(python: Path) -> Iterator[Warm]:
    with warm_process(python) as process:
        yield process


@pytest.fixture
def make(warm: Warm, python: Path, desk: Path) -> Iterator[Make]:
    with forked(warm, python, desk) as maker:
        yield maker


def notebook(*cells: str) -> str:
    """The text of a notebook; each cell ends with what it returns, or None."""
    text = "import marimo\n\napp = marimo.App()\n"
    for cell in cells:
        body = "".join(f"    {line}\n" for line in cell.splitlines())
        text += f"\n\n@app.cell\ndef _{'(mo)' if 'mo.' in cell else '()'}:\n{body}    return\n"
    return text


COUNT = 'with open("runs", "a") as file:\n    file.write("run\\n")'


def up(session: Live) -> Live:
    """The server of ``session`` is there: the hub asks it, and nobody else has come yet."""
    assert session.tab().request("GET", "/health").status == 200
    return session


def runs(session: Live) -> int:
    """How often the cell ``COUNT`` has run."""
    path = session.workspace / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def run_early(session: Live) -> Live:
    """``session``, when its first run has ended."""
    up(session)
    tab = session.tab()
    assert eventually(lambda: runs(session) > 0, 30)
    assert eventually(lambda: tab.request("GET", run_state.PATH).status == run_state.RESTING, 30)
    return session


def connect(session: Live, tab: MarimoClient | None = None, **query: str) -> MarimoClient:
    """A tab that has a kernel, and has asked for nothing."""
    tab = tab or session.tab()
    tab.page()
    tab.open(**query)
    tab.until("kernel-ready")
    return tab


def instantiate(tab: MarimoClient, codes: dict[str, str] | None = None, **values: Any) -> None:
    """As a page does that has cells already (``codes``), and controls with values by their ids."""
    body = {"objectIds": list(values), "values": list(values.values()), "autoRun": True, "codes": codes}
    tab.post("/api/kernel/instantiate", body)


def settled(tab: MarimoClient, session: Live) -> None:
    """Read what has come until nothing runs any more."""
    assert eventually(lambda: session.tab().request("GET", run_state.PATH).status == run_state.RESTING, 30)
    while True:
        try:
            tab.receive(0.5)
        except TimeoutError:
            return


def test_the_cells_have_run_when_the_browser_comes_and_run_once(make: Make) -> None:
    session = run_early(make(text=notebook(COUNT)))
    session.tab().start()
    assert runs(session) == 1
    assert "browser" not in session.log


def test_the_page_hears_what_it_hears_where_the_cells_wait_for_it(make: Make) -> None:
    heard = []
    for early_too in (True, False):
        session = make(text=notebook("import marimo as mo", "mo.md('a')", COUNT, "1 / 0"), early=early_too)
        if early_too:
            run_early(session)
        heard.append(sequence(session.tab()))
        assert runs(session) == 1
    assert heard[0] == heard[1]
    assert heard[0][0] == ("kernel-ready", False)


def test_what_has_run_is_told_when_the_page_asks_for_it(make: Make) -> None:
    session = run_early(make(text=notebook("21 * 2", COUNT)))
    tab = connect(session)
    with pytest.raises(TimeoutError):
        while tab.receive(0.3)[0] != "cell-op":
            pass  # what an environment is like is told at once
    tab.instantiate()
    assert "42" in tab.wait_for_output(tab.cells[0], "42")
    tab.until("completed-run")
    assert runs(session) == 1


def test_a_page_that_asks_for_nothing_is_told_as_well(make: Make) -> None:
    session = run_early(make(text=notebook("21 * 2", COUNT)))
    tab = connect(session)
    tab.until("completed-run")
    assert "42" in tab.output(tab.cells[0])
    assert runs(session) == 1


def sequence(tab: MarimoClient) -> list[tuple[object, ...]]:
    """What a page hears until its cells have run, without times."""
    tab.page()
    tab.open()
    heard: list[tuple[object, ...]] = []
    while not heard or heard[-1][0] != "completed-run":
        operation, data = tab.receive()
        if operation == "kernel-ready":
            heard.append((operation, data["resumed"]))
            tab.instantiate()
        elif operation == "cell-op":
            output = (data.get("output") or {}).get("mimetype")
            heard.append((operation, data["cell_id"], data.get("status"), output))
        else:
            heard.append((operation,))
    return heard


def test_what_was_typed_before_the_page_was_connected_is_what_runs(make: Make) -> None:
    session = run_early(make(text=notebook("first = 1\nfirst", "gone = 2\ngone", COUNT)))
    tab = connect(session)
    kept, gone, count = tab.cells
    codes = {kept: "first = 10\nfirst", "xxxx": "more = first + 1\nmore", count: tab.codes[2]}
    instantiate(tab, codes)
    tab.wait_for_output("xxxx", "11")
    settled(tab, session)
    assert "10" in tab.output(kept)
    assert runs(session) == 1
    assert gone not in codes
    assert "first+more" in tab.run("yyyy", "'+'.join(n for n in ('first', 'gone', 'more') if n in globals())")


def test_controls_of_a_page_that_stayed_open_keep_their_values(make: Make) -> None:
    cells = ("import marimo as mo", "x = mo.ui.slider(1, 9)\nx", "f'it is {x.value}'", COUNT)
    text = notebook(*cells).replace("def _():\n    f'it", "def _(x):\n    f'it")
    session = run_early(make(text=text))
    tab = connect(session)
    while "object-id" not in tab.output(tab.cells[1]):
        tab.receive()
    found = re.search(r"object-id='([^']+)'", tab.output(tab.cells[1]))
    assert found is not None
    instantiate(tab, dict(zip(tab.cells, tab.codes, strict=True)), **{found[1]: 7})
    tab.wait_for_output(tab.cells[2], "it is 7")
    assert runs(session) == 1


def test_parameters_of_the_page_are_those_of_the_run(make: Make) -> None:
    asks = "import marimo as mo\n", "str(mo.query_params().to_dict())", COUNT
    session = run_early(make(text=notebook(*asks)))
    tab = connect(session, group="7")
    assert tab.ready["resumed"] is False
    tab.instantiate()
    tab.wait_for_output(tab.cells[1], "group")
    settled(tab, session)
    assert runs(session) == 2
    assert "reconnected" not in tab.seen


def test_a_notebook_that_asks_for_its_request_waits_for_one(make: Make) -> None:
    session = up(make(text=notebook("import marimo as mo", "mo.app_meta().request is None", COUNT)))
    tab = connect(session)
    assert runs(session) == 0
    tab.instantiate()
    tab.until("completed-run")
    assert runs(session) == 1


@pytest.mark.parametrize("place", ["who.py", "who/__init__.py"])
def test_so_does_one_whose_own_module_asks(make: Make, place: str) -> None:
    module = "import marimo as mo\ndef asks():\n    return mo.app_meta().request is None\n"
    session = up(make(text=notebook("import who\nwho.asks()", COUNT), beside={place: module}))
    tab = connect(session)
    assert runs(session) == 0
    tab.instantiate()
    tab.until("completed-run")
    assert runs(session) == 1


def test_input_at_the_first_run_is_asked_of_the_page(make: Make) -> None:
    session = up(make(text=notebook('name = input("who? ")\nname')))
    waits = session.tab()
    assert eventually(lambda: waits.request("GET", run_state.PATH).status == run_state.RUNNING)
    tab = connect(session)
    tab.instantiate()
    while "who?" not in str(tab.outputs.get(tab.cells[0], "")):
        tab.receive()
    tab.post("/api/kernel/stdin", {"text": "Ada"})
    assert "Ada" in tab.wait_for_output(tab.cells[0], "Ada")


def test_a_cell_that_does_not_end_is_seen_running_and_interrupted(make: Make) -> None:
    session = up(make(text=notebook(f"{COUNT}\nwhile True: pass", "6 * 7")))
    assert eventually(lambda: runs(session) == 1)
    assert session.tab().request("GET", run_state.PATH).status == run_state.RUNNING
    tab = connect(session)
    tab.instantiate()
    while getattr(tab.outputs.get(tab.cells[0]), "status", "") != "running":
        tab.receive()
    tab.interrupt()
    tab.until("completed-run")
    assert "2" in tab.run(tab.cells[1], "1 + 1")
    assert runs(session) == 1


def test_a_kernel_that_died_before_is_replaced_and_its_end_is_told_as_ever(make: Make) -> None:
    kills = f"{COUNT}\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    session = run_early(make(text=notebook(kills)))  # no cell runs in a dead kernel
    tab = connect(session)
    assert runs(session) == 1
    tab.instantiate()
    with pytest.raises(ConnectionClosed):
        while True:
            tab.receive(20)
    assert runs(session) == 2
    assert "reconnected" not in tab.seen


def test_of_too_much_output_the_page_gets_the_last_state(make: Make) -> None:
    wide = f"import marimo as mo\nfor n in range({early.LIMIT // 2_000_000 + 3}):\n"
    wide += (
        "    mo.output.replace(mo.Html(f'<b>{n}' + 'x' * 2_000_000))\nmo.output.replace(mo.Html('last'))\n"
    )
    session = run_early(make(text=notebook(wide, COUNT)))
    tab = session.tab().start()
    assert "last" in tab.output(tab.cells[0])
    assert runs(session) == 1
    assert "cell-op" in tab.seen[: tab.seen.index("completed-run")]


def test_a_notebook_that_was_replaced_meanwhile_runs_as_it_is_now(make: Make) -> None:
    session = run_early(make(text=notebook(COUNT, "'old'")))
    session.notebook.write_text(notebook(COUNT, "'new'"))
    tab = session.tab().start()
    assert "new" in tab.output(tab.cells[1])
    assert tab.ready["resumed"] is False
    assert runs(session) == 2


def test_a_reload_and_a_second_page_find_the_session_that_the_first_was_given(make: Make) -> None:
    session = run_early(make(text=notebook(COUNT, "'here'")))
    first = session.tab().start()
    second = session.tab()
    second.page()
    second.open()
    kinds = {"kernel-ready"}
    try:
        while not kinds & set(second.seen):
            second.receive(10)
        assert second.ready["kiosk"] is True
    except ConnectionClosed as closed:  # versions that have no place for somebody who only looks
        assert "ALREADY_CONNECTED" in str(closed)
    first.close()
    second.close()
    again = connect(session)
    assert again.ready["resumed"] is True
    again.wait_for_output(again.cells[1], "here")
    assert runs(session) == 1


def test_a_restarted_kernel_runs_for_the_page_that_comes_then(make: Make) -> None:
    session = run_early(make(text=notebook(COUNT)))
    tab = session.tab().start()
    tab.restart()
    session.tab().start()
    assert runs(session) == 2


def test_a_session_that_is_started_again_runs_again_at_once(make: Make) -> None:
    session = run_early(make(text=notebook(COUNT)))
    session.tab().start()
    os.kill(session.pid, signal.SIGTERM)
    session.ended()
    up(session.fork())
    assert eventually(lambda: runs(session) == 2)
    session.tab().start()
    assert runs(session) == 2


def test_a_page_that_comes_before_the_server_was_asked_runs_them_itself(make: Make) -> None:
    session = make(text=notebook(COUNT))
    tab = session.tab()
    tab.open()
    tab.until("kernel-ready")
    tab.instantiate()
    tab.until("completed-run")
    up(session)
    assert runs(session) == 1
    assert "[1]" in tab.run(tab.cells[0], "[1]")


def test_a_page_that_comes_while_the_cells_begin_to_run_finds_one_session(make: Make) -> None:
    for _ in range(5):
        session = make(text=notebook(COUNT))
        tab = session.tab()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(up, session)
            tab.open()
            tab.until("kernel-ready")
            asked.result()
        tab.instantiate()
        settled(tab, session)
        assert tab.outputs[tab.cells[0]].status == "idle"
        assert runs(session) == 1
        tab.close()
        assert connect(session).ready["resumed"] is True
        session.stop()


def test_a_lecture_runs_for_its_readers_alone(make: Make) -> None:
    session = up(make(text=notebook(COUNT), mode="run"))
    session.tab().page()
    assert runs(session) == 0
    session.tab().start(run_cells=False)
    assert runs(session) == 1


def test_a_session_that_is_to_wait_waits(make: Make) -> None:
    session = up(make(text=notebook(COUNT), early=False))
    tab = connect(session)
    assert runs(session) == 0
    tab.instantiate()
    tab.until("completed-run")
    assert runs(session) == 1


async def _served(application: early.Application) -> list[str]:
    """What is said when ``application`` is asked for something, and what it began then is done."""
    said: list[str] = []

    async def send(message: Any) -> None:
        said.append(message["type"])

    await application({"type": "http", "path": "/"}, None, send)
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    return said


async def _answers(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start"})


def test_a_marimo_that_is_another_one_goes_on_as_ever_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(SessionManager, "close_session", lambda self, somebody: None)
    why = early.misfit.__wrapped__()
    assert "takes other things" in why
    monkeypatch.setattr(early, "misfit", lambda: why)
    manager = SimpleNamespace(sessions={}, close_session=lambda name: False)
    application = early.running(_answers, manager, tmp_path / "plain.py")
    assert asyncio.run(_served(application)) == ["http.response.start"]
    assert capsys.readouterr().err == f"mograder: the cells wait for a browser: {why}\n"


def test_a_session_that_can_not_be_made_early_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "plain.py").write_text("")
    closed: list[str] = []
    manager = SimpleNamespace(sessions={}, workspace=None, close_session=closed.append)
    assert asyncio.run(_served(early.running(_answers, manager, tmp_path / "plain.py")))
    assert closed == ["early"]
    assert "the cells wait for a browser" in capsys.readouterr().err


def test_this_marimo_fits() -> None:
    assert early.misfit() == ""
