"""Puts the parts of the hub together; nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from mograder import __version__
from mograder.environments.uv import break_off
from mograder.hub import problems
from mograder.hub.audit import FILE_NAME as AUDIT_FILE
from mograder.hub.audit import AuditLog
from mograder.hub.belongings import Belongings
from mograder.hub.content import ContentHost, content_host
from mograder.hub.content_door import ContentDoor
from mograder.hub.content_site import ContentSite, ContentVisitors
from mograder.hub.coursework import Coursework
from mograder.hub.door import HubDoor
from mograder.hub.gateway.assets import Assets
from mograder.hub.gateway.granted import Granted
from mograder.hub.guards import Audited, BodyKinds, RateLimit
from mograder.hub.history import History
from mograder.hub.hosts import Hosts
from mograder.hub.identity.gate import Gate, GateSettings
from mograder.hub.identity.handoff import HandOffs
from mograder.hub.identity.ledger import Ledger
from mograder.hub.identity.logins import Logins
from mograder.hub.identity.roster import FILE_NAME as ROSTER_FILE
from mograder.hub.identity.roster import Roster
from mograder.hub.isolation import Isolation, choose
from mograder.hub.lasting import Lasting
from mograder.hub.limits import Limits
from mograder.hub.middleware import (
    Aside,
    BodyLimit,
    CrossSite,
    Identification,
    KnownHosts,
    SecurityHeaders,
    Speaking,
)
from mograder.hub.news import News, Streams
from mograder.hub.origins import Origins
from mograder.hub.packages import Packages, course_environments
from mograder.hub.pages import bar, brand
from mograder.hub.prefix import Below
from mograder.hub.releases import MAX_PUBLISHED_BYTES, Releases
from mograder.hub.routers import ROUTERS
from mograder.hub.settings import Settings
from mograder.hub.snapshots import Snapshots
from mograder.hub.standing import Standing
from mograder.hub.store.classroom import AttemptTable, MessageTable, VisitTable
from mograder.hub.store.database import open_database
from mograder.hub.store.state import CopyTable, LoginTable, OriginTable, ResultTable, SessionTable, TokenTable
from mograder.hub.teaching.desk import Desk
from mograder.hub.teaching.load import Load
from mograder.hub.teaching.messages import Messages
from mograder.hub.teaching.visits import Visits
from mograder.hub.workspaces import Workspaces
from mograder.moodle.match import as_item_name
from mograder.sentences import Sentence
from mograder.sessions.admission import Admission
from mograder.sessions.launchers.base import Launcher
from mograder.sessions.manager import Sessions

log = logging.getLogger("mograder.hub")

SWEEP_SECONDS = 15.0
"""How often idle sessions, and people who may not be in any more, are looked for; at least four times in a
``session_ttl``."""

HOUSEKEEPING_SECONDS = 86400.0


@dataclass(frozen=True)
class Hub:
    """A hub that is put together: the application for uvicorn, and the parts that others hold on to."""

    app: FastAPI
    door: HubDoor
    gate: Gate
    hosts: Hosts
    sessions: Sessions
    settings: Settings
    engine: Engine
    content: ContentHost | None
    granted: Granted


def build(settings: Settings, launcher: Launcher | None = None) -> Hub:
    """The hub for ``settings``. Opens the database; starts nothing. Raises MograderError."""
    state_dir = settings.state_dir
    engine = open_database(state_dir / "hub.db")
    logins = Logins(LoginTable(engine))
    ledger = Ledger(TokenTable(engine))
    roster = Roster(settings.course.root / ROSTER_FILE)
    gate = Gate(_gate_settings(settings), logins, roster, ledger)
    content = content_host(settings)
    content_door = None if content is None else ContentDoor(content, HandOffs(settings.secret), gate)
    isolation = Isolation(launcher) if launcher is not None else choose(settings)
    sessions = Sessions(
        isolation.launcher,
        SessionTable(engine),
        state_dir / "sessions",
        ttl=settings.hub.session_ttl,
        admission=Admission(settings.hub.max_sessions, reserve=settings.hub.reserve_memory_mb << 20),
        root=settings.root,
    )
    granted = Granted(gate.holds)
    standing = Standing(granted, gate, ledger)
    logins.on_end = standing.login_ended
    audit, limits = AuditLog(state_dir / AUDIT_FILE), Limits(settings.hub)
    app = FastAPI(
        title="mograder hub",
        version=__version__,
        description="The contract between a course hub and the programs that use it.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=not settings.root,  # they name the whole address, and know of no path before it
        lifespan=lambda app: _lifespan(app, sessions, [logins, ledger], standing, settings, engine, audit),
    )
    app.state.settings = settings
    app.state.gate = gate
    app.state.logins = logins
    app.state.brand = brand.load(settings.hub, settings.course.root)
    app.state.ledger = ledger
    app.state.standing = standing
    app.state.content_door = content_door
    app.state.apart = content is not None and content.is_another_name
    assets = Assets(state_dir / "assets")
    app.state.coursework = _coursework(settings, engine, sessions, isolation, assets)
    app.state.messages = Messages(MessageTable(engine))
    app.state.visits = Visits(VisitTable(engine))
    app.state.news = News(app.state.coursework, app.state.messages, app.state.visits)
    app.state.streams = Streams()
    app.state.desk = Desk(
        settings, Load(sessions), AttemptTable(engine), logins, roster, state_dir / AUDIT_FILE
    )
    snapshots = Snapshots(app.state.coursework)
    app.state.publishing = app.state.coursework.publishing(settings.course.root)
    app.state.belongings = Belongings(app.state.coursework, settings.hub.session_disk_mb << 20)
    app.state.max_upload = settings.hub.max_upload_mb << 20
    app.state.notice = notice(settings, isolation)
    app.state.due_dates = due_dates(settings)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    hosts = Hosts(settings, () if content is None else content.names)
    _wrap(app, settings, gate, assets, audit, limits, hosts, content_door, granted)
    root = "" if content is None else content.hub_url
    door = HubDoor(
        gate,
        sessions,
        limits,
        audit,
        content=content_door,
        login_url=settings.hub.login_url,
        root=settings.root,
        page_end=partial(bar.page_end, settings, root=root, accent=app.state.brand.accent),
        on_saved=snapshots.note,
    )
    return Hub(app, door, gate, hosts, sessions, settings, engine, content, granted)


def notice(settings: Settings, isolation: Isolation) -> str | None:
    """What every page says on top about how this hub runs."""
    open_to_all = Sentence("Development mode: anybody who opens this page is let in.")
    said = [words for words in (open_to_all if settings.dev else None, isolation.notice) if words]
    return (
        Sentence("{first} {second}", first=said[0], second=said[1])
        if len(said) == 2
        else next(iter(said), None)
    )


def due_dates(settings: Settings) -> dict[str, datetime]:
    """When assignments are due, by name, as far as ``mograder.toml`` says."""
    found = {}
    for assignment in settings.course.config.assignments:
        if (when := _aware(assignment.duedate)) is not None:
            found[assignment.name] = found[as_item_name(assignment.name)] = when
    return found


def _aware(value: Any) -> datetime | None:
    """TOML's dates and times, Moodle's seconds since the epoch, ISO 8601 text; what names no zone is local time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time(23, 59))
    return value.astimezone() if isinstance(value, datetime) else None


def _gate_settings(settings: Settings) -> GateSettings:
    return GateSettings(
        secret=settings.secret,
        dev=settings.dev,
        trusted_header=settings.hub.trusted_header,
        trusted_proxies=(*settings.hub.trusted_proxies, *(["unix"] if settings.unix_socket else [])),
        instructors=frozenset(settings.hub.instructors),
        https=settings.hub.public_url.startswith("https:"),
        root=settings.root,
        proxy_secret=settings.proxy_secret,
        proxy_secret_header=settings.hub.proxy_secret_header,
    )


def _coursework(
    settings: Settings, engine: Engine, sessions: Sessions, isolation: Isolation, assets: Assets
) -> Coursework:
    history = History(settings.state_dir / "history")
    origins = Origins(settings.state_dir / "origins", OriginTable(engine))
    workspaces = Workspaces(
        settings.notebooks_dir,
        history,
        CopyTable(engine),
        prepare=isolation.launcher.prepare,
        began=origins.began,
    )
    return Coursework(
        Releases(settings.published_dir),
        workspaces,
        history,
        origins,
        sessions,
        Packages(course_environments(settings.course, confined=isolation.notice is None)),
        ResultTable(engine),
        AttemptTable(engine),
        state_dir=settings.state_dir,
        validate_timeout=settings.hub.validate_timeout,
        isolation=isolation,
        assets=assets,
        root=settings.root,
    )


def _wrap(
    app: FastAPI,
    settings: Settings,
    gate: Gate,
    assets: Assets,
    audit: AuditLog,
    limits: Limits,
    hosts: Hosts,
    content: ContentDoor | None,
    granted: Granted,
) -> None:
    """The outermost is added last: headers, then identity, then the checks, then the routes."""
    upload = (settings.hub.max_upload_mb << 20) + (1 << 20)
    app.add_middleware(Lasting, granted=granted)
    app.add_middleware(
        BodyLimit,
        limits={"upload": upload, "files": upload, "publish": MAX_PUBLISHED_BYTES, "sync-users": 4 << 20},
    )
    app.add_middleware(BodyKinds)
    app.add_middleware(CrossSite)
    app.add_middleware(ContentSite, door=content)
    app.add_middleware(RateLimit, limits=limits)
    app.add_middleware(Audited, audit=audit)
    app.add_middleware(Identification, gate=gate)
    app.add_middleware(ContentVisitors, door=content, gate=gate)
    app.add_middleware(SecurityHeaders, form_targets=() if content is None else content.host.sources)
    app.add_middleware(Aside, prefix="/_marimo/", aside=assets)
    app.add_middleware(Below, root=settings.root)
    app.add_middleware(KnownHosts, gate=gate, hosts=hosts)
    app.add_middleware(Speaking)


@contextlib.asynccontextmanager
async def _lifespan(
    app: FastAPI,
    sessions: Sessions,
    notes: Sequence[Logins | Ledger],
    standing: Standing,
    settings: Settings,
    engine: Engine,
    audit: AuditLog,
) -> AsyncIterator[None]:
    adopted = await sessions.adopt()
    if adopted:
        log.info("%d notebooks were open and go on", len(adopted))
    tasks = [
        asyncio.create_task(_sweep(sessions, notes, standing, settings.hub.session_ttl)),
        asyncio.create_task(app.state.coursework.warm_all()),
        asyncio.create_task(_housekeeping(app.state.coursework)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        break_off()
        await asyncio.gather(*tasks, return_exceptions=True)
        await sessions.close()
        for kept in notes:
            await asyncio.to_thread(kept.write_down)
        engine.dispose()
        audit.close()


async def _housekeeping(work: Coursework) -> None:
    """Once a day, not while everybody comes back after a restart."""
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await work.prune()
        except Exception:
            log.exception("tidying up failed; it is tried again tomorrow")


async def _sweep(
    sessions: Sessions, notes: Sequence[Logins | Ledger], standing: Standing, ttl: float
) -> None:
    while True:
        await asyncio.sleep(min(SWEEP_SECONDS, ttl / 4))
        try:
            await sessions.sweep()
            for kept in notes:
                await asyncio.to_thread(kept.write_down)
            await standing.recheck()
        except Exception:
            log.exception("looking for idle notebooks and ended logins failed; it is tried again")
