"""A real marimo behind the gateway: spoken to as its page does, and opened in a real browser."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from websockets.exceptions import InvalidStatus

from mograder.marimo_adapter.options import ServeSpec, environment, serve_command
from tests.gateway.client import Hub, eventually
from tests.gateway.conftest import hub_process
from tests.support.marimo_client import MarimoClient

pytestmark = pytest.mark.real
BASE = "/edit/user/alice/nb"
NOTEBOOK = """import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo

    mo.md("# The answer is " + str(6 * 7))
    return (mo,)


@app.cell
def _():
    state = []
    return (state,)


@app.cell
def _(mo, state):
    state.append(1)
    mo.md(f"kept {len(state)}")
    return


if __name__ == "__main__":
    app.run()
"""

PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="77" height="7"/>'


@pytest.fixture(scope="module")
def notebook() -> Iterator[Path]:
    """A marimo session on ``nb.sock``; yields its notebook. Not under /tmp: marimo's page does not save there."""
    with tempfile.TemporaryDirectory(prefix="gw-", dir="/var/tmp") as name:
        directory = Path(name)
        path = directory / "nb.py"
        path.write_text(NOTEBOOK)
        (directory / "public").mkdir()
        (directory / "public" / "picture.svg").write_text(PICTURE)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(directory / "nb.sock"))
        listener.listen(128)
        spec = ServeSpec("edit", "nb.py", base_url=BASE, asset_url=f"/_marimo/{metadata.version('marimo')}")
        with (directory / "session.log").open("w") as log:
            session = subprocess.Popen(
                serve_command(sys.executable, spec, fd=listener.fileno()),
                cwd=directory,
                env=environment(directory / "home"),
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield path
        finally:
            listener.close()
            session.terminate()
            session.wait(20)


@pytest.fixture(scope="module", params=["protocol", "asgi"])
def hub(request: pytest.FixtureRequest, notebook: Path) -> Iterator[Hub]:
    with hub_process(request.param, notebook.parent) as running:
        yield running


def tab(hub: Hub) -> MarimoClient:
    return MarimoClient(url=hub.origin.decode() + BASE, headers={"Cookie": "hub=alice"})


def test_a_notebook_runs_changes_and_is_saved(hub: Hub, notebook: Path) -> None:
    hub.events()
    with tab(hub) as page:
        page.page()
        page.open()
        page.until("kernel-ready")
        assert "42" in page.run(page.cells[0], page.codes[0])
        code = f"mark = {hub.variant!r}; mark * 2"
        assert hub.variant * 2 in page.run(page.cells[1], code)
        page.save("nb.py")
    assert hub.variant in notebook.read_text()
    heard = hub.events()
    assert ["save", "alice-nb", "done"] in heard
    assert ["activity", "alice-nb", "input"] in heard and ["activity", "alice-nb", "output"] in heard


def test_an_open_page_that_nobody_touches_is_idle(hub: Hub) -> None:
    """marimo pings each second: over three of them, the hub must hear of nothing but a heartbeat."""
    with tab(hub) as page:
        page.page()
        page.open()
        page.until("kernel-ready")
        assert eventually(lambda: not [e for e in hub.events() if e[2:] in (["input"], ["output"])])
        with pytest.raises(TimeoutError):
            page.until("completed-run", timeout=3.2)
        heard = {event[2] for event in hub.events() if event[0] == "activity"}
        assert heard == ({"heartbeat"} if hub.variant == "protocol" else set())


CLOSED = [
    "/api/kernel/execute",
    "/api/files/list_files",
    "/api/packages/add",
    "/api/ai/chat",
    "/api/secrets/keys",
]


@pytest.mark.parametrize("path", [*CLOSED, "/api/home/running_notebooks", "/api/kernel/shutdown"])
def test_a_closed_route_is_closed(hub: Hub, path: str) -> None:
    assert tab(hub).request("POST", path, {}).status == 403


def test_the_terminal_is_closed(hub: Hub) -> None:
    from websockets.sync.client import connect

    origin = hub.origin.decode()
    with pytest.raises(InvalidStatus, match="403"):
        connect(
            origin.replace("http", "ws") + BASE + "/terminal/ws",
            origin=origin,
            additional_headers={"Cookie": "hub=alice"},
        )


def test_no_other_file_is_opened(hub: Hub) -> None:
    assert tab(hub).request("GET", "/?file=/etc/passwd").status == 403
    assert tab(hub).request("GET", "/?file=nb.py").status == 200


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    opened = context.new_page()
    opened.set_default_timeout(240_000)
    yield opened
    context.close()


@pytest.mark.browser
def test_the_page_works_under_the_confining_policy_and_survives_a_restart_of_the_hub(
    notebook: Path, page: Page
) -> None:
    violations: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda m: violations.append(m.text) if "Content Security Policy" in m.text else None)
    page.on("request", lambda r: hosts.add(r.url.split("/")[2]) if r.url.startswith("http") else None)
    with hub_process("protocol", notebook.parent) as first:
        port = first.port
        page.context.add_cookies([{"name": "hub", "value": "alice", "url": f"http://127.0.0.1:{port}"}])
        page.goto(f"http://127.0.0.1:{port}{BASE}/")
        page.get_by_role("heading", name="The answer is 42").wait_for()
        assert page.evaluate(
            "performance.getEntriesByType('resource').some(e => e.name.includes('/_marimo/'))"
        )
    with hub_process("protocol", notebook.parent, port=port) as second:
        with page.expect_websocket(lambda ws: "/ws" in ws.url, timeout=240_000):
            pass  # the page comes back by itself
        assert eventually(lambda: ["activity", "alice-nb", "opened"] in second.events(), seconds=20)
        assert page.get_by_role("heading", name="The answer is 42").is_visible()
    assert hosts == {f"127.0.0.1:{port}"}
    # marimo's own service worker is the only thing that is refused; what it is for works without.
    assert [text for text in violations if "public-files-sw.js" not in text] == []


@pytest.mark.browser
def test_what_lies_in_the_notebooks_public_directory_is_shown(notebook: Path, page: Page) -> None:
    with hub_process("protocol", notebook.parent) as hub:
        origin = hub.origin.decode()
        page.context.add_cookies([{"name": "hub", "value": "alice", "url": origin}])
        page.goto(f"{origin}{BASE}/")
        page.get_by_role("heading", name="The answer is 42").wait_for()
        width = page.evaluate(
            """async () => { const i = new Image(); i.src = 'public/picture.svg'; await i.decode(); return i.width }"""
        )
        assert width == 77
        assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
