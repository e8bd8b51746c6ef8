"""Which of marimo's routes are open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mograder.hub.gateway.surface import may_pass, names_only

OPEN_READS = """health assets/index-1.js @file/10-a.png public/a%20b.png public-files-sw.js favicon.ico api/status
    api/usage api/version api/packages/list sse og/thumbnail"""
OPEN_POSTS = """kernel/save kernel/run kernel/instantiate kernel/interrupt kernel/restart_session kernel/takeover
    document/transaction export/html datasources/preview_column kernel/set_ui_element_value kernel/save_user_config"""
CLOSED = """terminal/ws lsp/pylsp mcp mcp/server auth/login login docs openapi.json api/ai/chat api/secrets/keys
    api/home/running_notebooks api/packages/add api/packages/sync api/packages/remove api/kernel/execute
    api/kernel/execute/ api/kernel/copy api/kernel/rename api/kernel/install_missing_packages api/kernel/shutdown
    api/export/requirements/install api/lsp/restart api/environment api/sessions api/files/list_files api/new_thing
    api/ api/kernel/%65xecute %61pi/kernel/execute te%72minal/ws x/../terminal/ws ./terminal/ws x/%2e%2e/terminal/ws
    api%2fkernel%2fexecute a%5cb a%00b .. %2e%2e/x ws ws_sync _mograder/running"""


@pytest.mark.parametrize("path", ["", *OPEN_READS.split()])
def test_what_a_page_reads_is_open(path: str) -> None:
    assert may_pass("GET", path.encode()) and may_pass("HEAD", path.encode())


@pytest.mark.parametrize("path", OPEN_POSTS.split())
def test_what_an_editor_does_is_open(path: str) -> None:
    assert may_pass("POST", b"api/" + path.encode())


@pytest.mark.parametrize("path", CLOSED.split())
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_a_hub_must_not_expose_is_closed(method: str, path: str) -> None:
    assert not may_pass(method, path.encode())


def test_only_the_notebooks_own_websockets_are_open() -> None:
    assert may_pass("GET", b"ws", websocket=True)
    for path in (b"ws_sync", b"terminal/ws", b"lsp/x", b"", b"ws/", b"x/ws", b"%77s/x"):
        assert not may_pass("GET", path, websocket=True)


def test_nothing_but_the_api_takes_changes() -> None:
    assert not may_pass("POST", b"") and not may_pass("DELETE", b"public/x") and not may_pass("PUT", b"api2")


def test_the_file_browser_is_the_operators_choice() -> None:
    assert may_pass("POST", b"api/files/list_files", file_browser=True)


@given(st.binary(max_size=30))
def test_no_spelling_opens_a_closed_door(rest: bytes) -> None:
    for start in (b"terminal/", b"lsp/", b"api/ai/", b"api/secrets/", b"api/home/"):
        assert not may_pass("POST", start + rest.replace(b"?", b""))


FINE = [b"", b"session_id=s_1", b"file=A1.py", b"file=%2Fwork%2FA1.py&x=1", b"profile=x", b"a=%20"]
OTHER_FILES = [
    b"file=/etc/passwd",
    b"file=",
    b"file",
    b"f%69le=x.py",
    b"file=A1.py&file=B.py",
    b"file=__new__x",
]


@pytest.mark.parametrize("query", FINE)
def test_a_query_may_name_the_sessions_notebook(query: bytes) -> None:
    assert names_only(query, "/work/A1.py")


@pytest.mark.parametrize("query", [*OTHER_FILES, b"file=a1.py"])
def test_a_query_may_not_name_another_file(query: bytes) -> None:
    assert not names_only(query, "/work/A1.py")
