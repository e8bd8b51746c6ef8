"""An index whose servers do not agree yet: one of them has the version that was chosen, the next has not."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mograder.environments import Lock, Requirements, Step, Uv
from mograder.environments.build import build, make_writable, site_packages
from mograder.errors import UnusablePackages

pytestmark = pytest.mark.real


class Index:
    """A package index (PEP 503) with two versions of one package. ``stale`` of its answers lack the newer one."""

    def __init__(self, place: Path) -> None:
        self.wheels = {version: _wheel(place, version) for version in ("1.0", "2.0")}
        self.stale = 0
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/simple"

    def page(self) -> bytes:
        self.asked += 1
        shown = [*self.wheels.values()]
        if self.stale > 0:
            self.stale -= 1
            shown = [self.wheels["1.0"]]
        return "".join(
            f'<a href="/{path.name}#sha256={_sha(path)}">{path.name}</a>\n' for path in shown
        ).encode()

    def serve(self) -> None:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wheel = next((p for p in index.wheels.values() if self.path == f"/{p.name}"), None)
                body = index.page() if wheel is None else wheel.read_bytes()
                self.send_response(200)
                self.send_header("Content-Type", "text/html" if wheel is None else "application/zip")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "max-age=0")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def _wheel(place: Path, version: str) -> Path:
    """marimo, but for all that is in it: an environment has to have it."""
    path = place / f"marimo-{version}-py3-none-any.whl"
    info = f"marimo-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("marimo/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: marimo\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    made = Index(tmp_path)
    made.serve()
    monkeypatch.setenv("UV_DEFAULT_INDEX", made.url)
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()


@pytest.fixture
def install(tmp_path: Path, index: Index) -> Iterator[Callable[[], Path]]:
    root = tmp_path / "env"
    lock = Lock(f"marimo==2.0 \\\n    --hash=sha256:{_sha(index.wheels['2.0'])}\n")
    asked = Requirements(("marimo",), source="A1.py", lines={"marimo": 3})

    def run() -> Path:
        steps: list[Step] = []
        build(root, lock, Uv(Path("/"), tmp_path / "cache"), lambda _: None, steps.append, asked)
        return site_packages(root) / "marimo" / "__init__.py"

    yield run
    if root.exists():
        make_writable(root)


def test_an_answer_that_is_behind_is_not_taken_for_the_last_word(
    index: Index, install: Callable[[], Path]
) -> None:
    index.stale = 1
    assert "2.0" in install().read_text()
    assert index.asked == 2


def test_an_index_that_really_has_no_such_version_is_asked_twice_and_then_believed(
    index: Index, install: Callable[[], Path]
) -> None:
    index.stale = 99
    with pytest.raises(UnusablePackages, match=r"marimo 2\.0 can not be had: the index has no such version"):
        install()
    assert index.asked == 2


def test_another_failure_is_not_tried_again(index: Index, install: Callable[[], Path]) -> None:
    with zipfile.ZipFile(index.wheels["2.0"], "a") as archive:
        archive.writestr("marimo/more.py", "")
    with pytest.raises(UnusablePackages, match="another file"):
        install()
    assert index.asked == 1
