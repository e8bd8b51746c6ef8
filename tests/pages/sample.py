"""A hub of sample data: it serves the real pages and answers their scripts as the contract says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse

from mograder.hub.pages import file_views, update_views, version_views, views
from mograder.hub.pages.assets import static_table
from mograder.hub.pages.render import content_security_policy, render
from mograder.notebook.difference import compare

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
LATER = timedelta(days=1)
VALIDATION = {
    "checks": [
        {"label": "Q1: Load the data", "status": "success", "details": ["✓ 150 rows", "✓ 4 columns"]},
        {"label": "Q2: Mean and spread", "status": "partial", "details": ["✓ the mean", "✗ the deviation"]},
        {"label": "Q3: <script>alert(1)</script>", "status": "danger", "details": ["✗ raised NameError"]},
        {"label": "Q4: Plot", "status": "warn", "details": []},
    ],
    "cell_errors": [{"cell": "plot", "message": "NameError: name 'mu' is not defined"}],
    "export_ok": True,
    "export_error": None,
    "html_available": True,
    "integrity_level": "hash",
    "integrity_warnings": ["Cell 3 differs from the published version."],
}


def assignments() -> list[views.ItemRow]:
    """One row of each kind."""
    row = views.ItemRow
    return [
        row(
            "A1-Intro",
            "Introduction to scientific machine learning",
            "exported",
            False,
            True,
            NOW - 6 * LATER,
            views.Tally(5, 5),
        ),
        row(
            "A2-Regression",
            "Regression, by hand and by library",
            "modified",
            True,
            True,
            NOW + 2 * LATER,
            views.Tally(3, 5),
        ),
        row("A3-Bayes", "Bayesian inference", "modified", False, True, NOW + 9 * LATER, views.Tally(4, 4)),
        row("A4-PDE", "Learning a differential equation", "not_started", False, True, NOW + 16 * LATER),
        row(
            "A5-Late",
            "Optimisation",
            "modified",
            False,
            True,
            NOW - LATER,
            views.Tally(1, 6),
            True,
            exported_before=True,
            disk="96 of 100 MB",
        ),
        row("A6-Draft", "Project", "uploaded", False, True, None, None, False, False),
    ]


@dataclass
class Sample:
    """The state of the sample hub; a test changes it and reads what was asked of it."""

    user: str = "alice"
    role: Any = "student"
    assignments: list[views.ItemRow] = field(default_factory=assignments)
    lectures: list[views.LectureRow] = field(
        default_factory=lambda: [
            views.LectureRow("L01-Intro", "What a model is", True),
            views.LectureRow("L02-Loss", "Loss functions and what they hide"),
        ]
    )
    sessions: list[views.SessionRow] = field(
        default_factory=lambda: [
            views.SessionRow(
                "alice",
                "A2-Regression",
                "edit",
                "edit/user/alice/A2-Regression/",
                NOW - timedelta(minutes=56),
                240,
            ),
            views.SessionRow("alice", "L01-Intro", "run", "run/user/alice/L01-Intro/", NOW),
        ]
    )
    notice: str | None = None
    title: str = "Scientific Machine Learning 2026"
    refuse: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    proofs: list[tuple[str | None, str | None]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    live: list[dict[str, Any]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    view: views.View | None = None

    def __post_init__(self) -> None:
        self.hold.set()

    def page(self, root: str) -> views.Page:
        return views.Page(self.title, self.user, self.role, self.notice, root, "proof-of-origin")

    def dashboard(self, root: str = "", flash: str | None = None) -> views.Dashboard:
        return views.Dashboard(
            self.page(root),
            NOW,
            tuple(self.assignments),
            tuple(self.lectures),
            tuple(self.sessions),
            views.Flash(flash) if flash else None,
        )

    def change(self, name: str, **what: Any) -> None:
        self.assignments = [replace(row, **what) if row.name == name else row for row in self.assignments]


def history(page: views.Page, owner: str, item: str) -> version_views.History:
    row = version_views.VersionRow
    versions = (
        row("v4", NOW - timedelta(minutes=3), "save", 20_480, True, 3, 5),
        row("v3", NOW - timedelta(hours=5), "upload", 18_112, False, 1, 5),
        row("v2", NOW - timedelta(days=2), "restore", 901),
        row("v1", NOW - timedelta(days=9), "download", 1_204_000),
    )
    present = row("copy", NOW - timedelta(minutes=3), "", 20_480, True, 3, 5)
    return version_views.History(page, owner, item, NOW, versions, present)


def belongings(page: views.Page, owner: str, item: str, used: int = 12 << 20) -> file_views.Files:
    files = (
        file_views.FileRow("measured.csv", 48_112, NOW - timedelta(hours=2)),
        file_views.FileRow("plots/fit.png", 1_204_000, NOW - timedelta(minutes=2)),
        file_views.FileRow("\ufffd.bin", 3, NOW, linked=False),
    )
    gone = version_views.VersionRow("v9", NOW - timedelta(days=1), "delete", 901)
    kept = (file_views.KeptFile("notes.txt", gone),)
    return file_views.Files(page, owner, item, NOW, used, 100 << 20, 20 << 20, files, kept)


OLD_CELLS = """import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    return (mo,)


@app.cell
def _(mo):
    mo.md("# Regression")
    return


@app.cell
def fit():
    def fit(x, y):
        # YOUR CODE HERE
        pass
    return (fit,)


@app.cell
def _():
    scratch = [1, 2, 3]
    return (scratch,)
"""
NEW_CELLS = (
    OLD_CELLS.replace("        pass", "        slope = ((x - x.mean()) * y).sum()\n        return slope")
    .replace("# Regression", "# Regression, by hand")
    .replace("scratch = [1, 2, 3]", "import numpy as np")
    .replace("(scratch,)", "(np,)")
)


def comparison(page: views.Page, owner: str, item: str, old: str = OLD_CELLS, new: str = NEW_CELLS) -> Any:
    sides = (
        version_views.Side("copy", "Your copy now"),
        version_views.Side("release", "The published version"),
        version_views.Side("v3", "Mon 23 Nov 2026, 15:00 UTC – Replaced by an upload"),
    )
    found = compare(old, new)
    return version_views.Compare(
        page, owner, item, sides[2], sides[0], sides, found.cells, found.by_cell, found.cut, "0" * 64
    )


def update(page: views.Page, owner: str, item: str) -> update_views.Update:
    sides = (
        update_views.Side("mine", True),
        update_views.Side("new", False),
        update_views.Side("both", False),
    )
    parts = (
        update_views.Part("1", "slope = 2", "slope = ...  # YOUR CODE HERE, in metres", sides),
        update_views.Part("2", None, "W" * 300, sides[:2]),
    )
    facts = ("2 cells that you did not change become the new ones.", "New files: data.csv.")
    return update_views.Update(page, owner, item, True, "0" * 32, facts, parts, editor_open=True)


def report(page: views.Page, owner: str, item: str) -> views.CheckReport:
    checks = tuple(views.Check(c["label"], c["status"], tuple(c["details"])) for c in VALIDATION["checks"])
    return views.CheckReport(
        page, owner, item, checks, ("Cell 7: NameError: name 'mu' is not defined",),
        "The notebook ran longer than 120 seconds.", tuple(VALIDATION["integrity_warnings"]),
        f"validate-report/{owner}/{item}",
    )  # fmt: skip


def start(page: views.Page, item: str, kind: Any, **more: Any) -> views.Start:
    post = views.path("start-edit-deep" if kind == "edit" else "start-run", item)
    return views.Start(page, item, kind, post, views.path(kind, "user", page.user, item) + "/", **more)


def make_app(sample: Sample) -> FastAPI:
    app = FastAPI()

    def html(request: Request, view: views.View, status: int = 200) -> Response:
        page = replace(view.page, root=views.relative_root(request.scope["path"]))
        policy = {"Content-Security-Policy": content_security_policy()}
        return HTMLResponse(render(replace(view, page=page)), status, policy)

    async def action(request: Request, done: str, answer: dict[str, Any]) -> Response:
        """What every POST does: note it, wait if a test says so, refuse or answer; a form is sent back."""
        path = request.url.path
        form = await request.form()
        sample.asked.append(("POST", path))
        sample.proofs.append((str(form.get("csrf")), request.headers.get("X-CSRF-Token")))
        await asyncio.to_thread(sample.hold.wait, 10)
        scripted = "application/json" in request.headers["accept"]
        if path in sample.refuse:
            status, refusal = sample.refuse[path]
            if scripted:
                retry = {"Retry-After": "1"} if status == 503 else {}
                return JSONResponse(refusal, status, retry)
            findings = tuple(refusal.get("unsafe", ()))
            return html(
                request, views.Problem(sample.page(""), status, refusal["detail"], findings=findings), status
            )
        if scripted:
            return JSONResponse({"status": "ok", **answer})
        return RedirectResponse(views.relative_root(path) + f"?flash={done}", 303)

    @app.get("/static/{version}/{name}")
    async def static(version: str, name: str) -> Response:
        content, content_type = static_table()[f"static/{version}/{name}"]
        immutable = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, media_type=content_type, headers=immutable)

    @app.get("/")
    async def dashboard(request: Request, flash: str | None = None) -> Response:
        sample.asked.append(("GET", "/"))
        return html(request, sample.dashboard(flash=flash))

    @app.get("/editor-files")
    async def editor_files() -> Response:
        return JSONResponse([])

    @app.get("/view")
    async def view(request: Request) -> Response:
        assert sample.view is not None
        return html(request, sample.view)

    @app.get("/edit/{item}")
    @app.get("/run/{item}")
    async def start_page(request: Request, item: str) -> Response:
        kind = request.url.path.split("/")[1]
        return html(request, start(sample.page(""), item, kind))

    @app.post("/start-edit-deep/{item}")
    @app.post("/start-run/{item}")
    async def begin(request: Request, item: str) -> Response:
        kind = "run" if "run" in request.url.path.split("/")[1] else "edit"
        return await action(request, "started", {"url": views.path(kind, "user", sample.user, item) + "/"})

    @app.get("/events/{kind}/{user}/{item}")
    async def events(kind: str, user: str, item: str) -> Response:
        async def lines() -> AsyncIterator[str]:
            for name, data in list(sample.events):
                yield f"event: {name}\ndata: {json.dumps(data)}\n\n"
            await asyncio.to_thread(sample.hold.wait, 10)

        return StreamingResponse(lines(), media_type="text/event-stream")

    @app.get("/edit/user/{user}/{item}/")
    @app.get("/run/user/{user}/{item}/")
    async def editor(user: str, item: str) -> Response:
        return HTMLResponse("<!DOCTYPE html><title>Notebook</title><h1>The notebook itself</h1>")

    @app.post("/validate/{user}/{item}")
    async def validate(request: Request, user: str, item: str) -> Response:
        sample.change(item, last_check=views.Tally(1, 4))
        return await action(request, "validated", VALIDATION)

    @app.get("/validate-events/{user}/{item}")
    async def validate_events(user: str, item: str) -> Response:
        async def lines() -> AsyncIterator[str]:
            for check in sample.live:
                yield f"event: check\ndata: {json.dumps(check)}\n\n"
            await asyncio.to_thread(sample.hold.wait, 10)
            yield "event: end\ndata: {}\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    @app.post("/download-release/{user}/{item}")
    async def download(request: Request, user: str, item: str) -> Response:
        sample.change(item, file_status="uploaded")
        return await action(request, "downloaded", {"file_status": "uploaded"})

    @app.post("/upload/{user}/{item}")
    async def upload(request: Request, user: str, item: str) -> Response:
        file: Any = (await request.form())["file"]
        sample.uploads.append(await file.read())
        await file.close()
        return await action(request, "uploaded", {})

    @app.post("/files/{user}/{item}")
    async def store(request: Request, user: str, item: str) -> Response:
        files: Any = (await request.form()).getlist("files")
        names = [file.filename for file in files]
        for file in files:
            await file.close()
        return await action(request, "stored", {"files": names, "archive": None})

    @app.post("/reset/{user}/{item}")
    async def reset(request: Request, user: str, item: str) -> Response:
        return await action(request, "reset", {"file_status": "uploaded", "archive": "v1"})

    @app.post("/restore/{user}/{item}")
    async def restore(request: Request, user: str, item: str) -> Response:
        sample.asked.append(("version", str((await request.form())["version"])))
        return await action(request, "restored", {})

    @app.post("/stop-{kind}/{user}/{item}")
    async def stop(request: Request, kind: str, user: str, item: str) -> Response:
        gone = (user, item, kind)
        sample.sessions = [row for row in sample.sessions if (row.username, row.item, row.kind) != gone]
        return await action(request, "stopped", {"terminated": True})

    @app.get("/export/{user}/{item}")
    async def export(user: str, item: str) -> Response:
        sample.change(item, file_status="exported")
        attachment = {"Content-Disposition": f'attachment; filename="{item}.py"'}
        return Response("import marimo\n", media_type="text/x-python", headers=attachment)

    @app.get("/history/{user}/{item}")
    async def history_page(request: Request, user: str, item: str) -> Response:
        return html(request, history(sample.page(""), user, item))

    return app


@contextmanager
def served(sample: Sample, prefix: str = "") -> Iterator[str]:
    """Serve the sample hub on a free port of loopback, below ``prefix``; gives its address, with a final slash."""
    app = make_app(sample)
    if prefix:
        outer = FastAPI()
        outer.mount(prefix, _Stripped(app, prefix))
        app = outer
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}{prefix}/"
    finally:
        sample.hold.set()
        server.should_exit = True
        thread.join()


class _Stripped:
    """A proxy that takes the prefix away: the hub behind it can not know it."""

    def __init__(self, app: FastAPI, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix(self._prefix)
        await self._app({**scope, "path": path, "root_path": "", "raw_path": path.encode()}, receive, send)
