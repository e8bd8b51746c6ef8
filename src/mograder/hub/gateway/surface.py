"""Which of marimo's own routes a browser may reach through the hub.

A notebook's owner can run any code in the session's sandbox, so this is not the wall: it closes doors that have no
use in a course, some of which open without marimo's own checks. What is not listed under ``/api`` is closed, so a
new marimo does not open anything unseen. Routes: marimo 0.19 to 0.25, ``marimo/_server/api``.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl, unquote_to_bytes

_PAGES_CLOSED = frozenset(b"terminal lsp mcp auth login docs redoc openapi.json ws_sync _mograder".split())
_SOCKETS = frozenset((b"ws",))  # not ws_sync: collaborative editing is off, see `marimo_adapter.options`
_API_OPEN = frozenset(
    b"kernel document documentation datasources sql cache export storage status usage version".split()
)
_API_CLOSED = frozenset(
    (
        b"kernel/execute",  # runs code without marimo's own token
        b"kernel/copy",
        b"kernel/rename",
        b"kernel/install_missing_packages",
        b"kernel/shutdown",  # the hub stops sessions, and knows that it did
        b"export/requirements/install",
    )
)
_API_READ = frozenset((b"packages/list", b"packages/tree"))
SAVE = b"api/kernel/save"
_READING = frozenset(("GET", "HEAD"))


@lru_cache(maxsize=2048)
def may_pass(method: str, raw_path: bytes, *, websocket: bool = False, file_browser: bool = False) -> bool:
    """Tell whether ``raw_path`` (behind the session's prefix, still percent-encoded) may be asked for."""
    path = _decoded(raw_path)
    if path is None:
        return False
    if websocket:
        return path in _SOCKETS
    first, _, rest = path.partition(b"/")
    if first == b"api":
        return _api_may_pass(method, rest.rstrip(b"/"), file_browser)
    return method in _READING and first not in _PAGES_CLOSED and path not in _SOCKETS


def _decoded(raw_path: bytes) -> bytes | None:
    """Decode a path once, as the session's server will; None if it could mean another path than it shows."""
    path = unquote_to_bytes(raw_path)
    if path.count(b"/") != raw_path.count(b"/") or b"\\" in path or b"\0" in path:
        return None
    return None if {b".", b".."} & set(path.split(b"/")) else path


def _api_may_pass(method: str, path: bytes, file_browser: bool) -> bool:
    group = path.partition(b"/")[0]
    if group == b"files":
        return file_browser
    if path in _API_READ:
        return method in _READING
    return group in _API_OPEN and path not in _API_CLOSED


def names_only(query: bytes, notebook: str) -> bool:
    """Tell whether every ``file`` parameter of a query names the session's own notebook, by path or by name.

    marimo opens whatever readable notebook the parameter names, and starts a kernel for it.
    """
    if b"file" not in query and b"%" not in query:
        return True
    allowed = {notebook, notebook.rpartition("/")[2]}
    pairs = parse_qsl(
        query.decode("latin-1"), keep_blank_values=True, separator="&", errors="surrogateescape"
    )
    return all(value in allowed for name, value in pairs if name == "file")
