"""The first run of an editor's cells, begun when its server is up: a browser takes seconds until it connects.

marimo gets a session with nobody in it, whose messages are kept. Whoever connects first is given that session in the
place of a new one: the browser hears that there is a kernel, then all that was kept, in its order, then what comes.
Where anything is not as it was when the cells began to run (the file, the page's query, the kernel's health) that
session is closed, and marimo makes one for the browser, as ever.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from mograder.marimo_adapter.run_state import Application

#: The id of the session until it has its browser's. No browser's begins like this.
_NOBODY = "early"

#: Bytes of messages that are kept: two of the largest outputs that marimo shows. Of more, only the last state is.
LIMIT = 16 << 20

#: A notebook that asks for the request which ran it, itself or in a module beside it, has to wait for one.
_ASKS_FOR_REQUEST = b"app_meta"

#: Seconds that what a page is sent waits for its word that its cells are to run.
_PATIENCE = 1.0

#: Modules that are looked into, and bytes of each.
_MODULES, _MODULE_BYTES = 100, 1 << 20


class NotEarly(Exception):
    """The installed marimo does not make sessions in the way that is known here."""


def running(application: Application, manager: Any, notebook: Path) -> Application:
    """``application``, which has the cells of ``notebook`` run as soon as it has answered once: that it is up.

    ``manager`` is marimo's session manager. Whatever goes wrong is said on stderr, and the cells wait for a browser.
    """
    begun: list[asyncio.Task[None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await application(scope, receive, send)
        if scope["type"] == "http" and not begun:
            begun.append(asyncio.create_task(_begin(manager, notebook)))

    return app


@functools.cache
def misfit() -> str:
    """Why no cells run early with the installed marimo; empty if they do. A warm process asks before its forks."""
    try:
        _probe()
    except (ImportError, AttributeError, TypeError, OSError, NotEarly) as error:
        return f"{error}"
    return ""


async def _begin(manager: Any, notebook: Path) -> None:
    try:
        if not manager.sessions and (waiting := _waiting(manager, notebook)) is not None:
            await waiting.begin()
    except Exception as error:  # noqa: BLE001 - marimo's own business; it is done when a browser comes
        print(f"mograder: the cells wait for a browser: {error}", file=sys.stderr)
        _forget(manager)


def _waiting(manager: Any, notebook: Path) -> _Waiting | None:
    if reason := misfit():
        raise NotEarly(reason)
    text = notebook.read_bytes()
    asks = _ASKS_FOR_REQUEST in text or any(map(_asks_for_request, _modules(notebook.parent)))
    return None if asks else _Waiting(manager, notebook, text)


def _modules(directory: Path) -> Iterator[Path]:
    """What a notebook there may import of its own: modules beside it, and those of packages beside it."""
    found = (path for pattern in ("*.py", "*/*.py") for path in directory.glob(pattern) if path.is_file())
    return itertools.islice(found, _MODULES)


def _asks_for_request(module: Path) -> bool:
    try:
        with module.open("rb") as file:
            return _ASKS_FOR_REQUEST in file.read(_MODULE_BYTES)
    except OSError:
        return False  # nor can it be imported


def _forget(manager: Any, *names: str) -> None:
    for name in (_NOBODY, *names):
        manager.close_session(name)
    _stand_aside(manager)


def _stand_aside(manager: Any) -> None:
    for name in ("create_session", "maybe_resume_session"):
        vars(manager).pop(name, None)


class _Waiting:
    """A session that runs and has no browser yet, and marimo's manager, which gives it to the first."""

    def __init__(self, manager: Any, notebook: Path, text: bytes) -> None:
        self._manager, self._notebook, self._text = manager, notebook, text
        self._kept = _Kept()
        self._session: Any = None

    async def begin(self) -> None:
        """Make the session, have its cells run, and wait, unless a browser is there first. Raises what marimo does."""
        create = self._manager.create_session
        files = getattr(self._manager, "workspace", None) or self._manager.file_router
        asked = {"session_id": _NOBODY, "session_consumer": self._kept, "query_params": {}}
        asked |= {"file_key": files.get_unique_file_key(), "auto_instantiate": True}
        if "main" in inspect.signature(create).parameters:
            asked["main"] = False
        made = create(**asked)
        self._session = await made if inspect.isawaitable(made) else made
        main = self._session.room.main_consumer
        if main is not None:
            self._session.disconnect_consumer(self._kept)
        if main is self._kept:
            # A page that finds somebody in the main place would only be let in to look.
            self._session.connect_consumer(self._kept, main=False)
        if main in (None, self._kept):
            self._run()
            self._stand_in()

    def _run(self) -> None:
        ran = dict(self._session.app_file_manager.app.cell_manager.code_map())
        request = _connector().InstantiateNotebookRequest(object_ids=[], values=[], auto_run=True)
        self._session.instantiate(request, http_request=None)
        again = functools.partial(_instantiate_again, self._session, ran)

        def instantiate(request: Any, *, http_request: Any = None) -> None:
            self._kept.release()
            again(request, http_request=http_request)

        self._session.instantiate = instantiate

    def _stand_in(self) -> None:
        """Have the manager ask here first. The next connection undoes it."""
        create, resume = self._manager.create_session, self._manager.maybe_resume_session
        bind = inspect.signature(create).bind

        def first(*words: Any, **named: Any) -> Any:
            return self._given(bind(*words, **named).arguments)

        async def create_later(*words: Any, **named: Any) -> Any:
            session = first(*words, **named)
            return await create(*words, **named) if session is None else session

        def create_now(*words: Any, **named: Any) -> Any:
            session = first(*words, **named)
            return create(*words, **named) if session is None else session

        def resume_none(new_session_id: Any, file_key: Any) -> Any:
            return None if self._is_for(file_key) else resume(new_session_id, file_key)

        self._manager.create_session = create_later if inspect.iscoroutinefunction(create) else create_now
        self._manager.maybe_resume_session = resume_none

    def _is_for(self, file_key: Any) -> bool:
        if self._manager.get_session_by_file_key(file_key) is not self._session:
            return False
        if self._manager._repository.get_session_id(self._session) == _NOBODY:
            return True
        # A page came while the session was made, and marimo let it in by itself.
        self._session.disconnect_consumer(self._kept)
        _stand_aside(self._manager)
        return False

    def _given(self, asked: Mapping[str, Any]) -> Any:
        """The session, if it is what is asked for; None: marimo has to make one, and nothing is in its way."""
        if not self._is_for(asked["file_key"]) or not asked.get("main", True):
            return None
        if not self._is_right(asked):
            _forget(self._manager)
            return None
        try:
            return self._connected(asked["session_id"], asked["session_consumer"])
        except Exception as error:  # noqa: BLE001 - marimo can still make a session as ever
            print(f"mograder: the cells run again for a browser: {error}", file=sys.stderr)
            _forget(self._manager, asked["session_id"])
            return None

    def _is_right(self, asked: Mapping[str, Any]) -> bool:
        state = getattr(self._session.kernel_state(), "value", "")
        unchanged = self._notebook.exists() and self._notebook.read_bytes() == self._text
        return bool(
            unchanged and state == "running" and asked["auto_instantiate"] and not asked["query_params"]
        )

    def _connected(self, session_id: Any, consumer: Any) -> Any:
        """The session with its browser in it, in one turn of the event loop: no message comes in between."""
        self._session.disconnect_consumer(self._kept)
        self._manager._repository.update_session_id_sync(_NOBODY, session_id)
        consumer._replay_previous_session = functools.partial(self._kept.replay, consumer)
        self._session.connect_consumer(consumer, main=True)
        _stand_aside(self._manager)
        return self._session


class _Kept:
    """A consumer of marimo's, in the place of a browser until there is one: it keeps what that is to be sent."""

    consumer_id = _NOBODY

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._size = 0
        self._release: Callable[[], object] = _nothing

    def notify(self, notification: bytes) -> None:
        self._size += len(notification)
        if self._size > LIMIT:
            # marimo's own view of the session has the state; it does not have the word that the run has ended.
            self._messages = [message for message in (*self._messages, notification) if _ends_run(message)][
                -1:
            ]
        else:
            self._messages.append(notification)

    def connection_state(self) -> Any:
        return _module("marimo._session.model").ConnectionState.OPEN

    def on_attach(self, session: Any, event_bus: Any) -> None:
        """There is nothing to do."""

    def on_detach(self) -> None:
        """There is nothing to do."""

    def replay(self, consumer: Any, session: Any) -> None:
        """Send it all to ``consumer``, once, in the place of marimo's own replay of a new session, which is empty.

        Not before the page has asked for its cells to run, or ``_PATIENCE`` is over: as from a kernel that begins then.
        A page that hears of outputs before its cells stand shows them last of all that it does, seconds later.
        """
        del consumer._replay_previous_session
        if self._size <= LIMIT and hasattr(consumer, "_write_environment_state"):
            consumer._write_environment_state(session)
        held: list[bytes] = []
        consumer.notify = held.append
        if self._size > LIMIT:
            consumer._replay_previous_session(session)
        held += self._messages

        def release() -> None:
            if vars(consumer).pop("notify", None) is not None:
                for message in held:
                    consumer.notify(message)

        loop = asyncio.get_running_loop()
        loop.call_later(_PATIENCE, release)
        self._release = functools.partial(loop.call_soon_threadsafe, release)

    def release(self) -> None:
        """Send what ``replay`` holds back. Any thread may call it."""
        self._release()


def _nothing() -> None:
    """There is nothing to release."""


def _ends_run(message: bytes) -> bool:
    name = _module("marimo._messaging.serde").deserialize_kernel_notification_name(message)
    return bool(name == "completed-run")


def _instantiate_again(
    session: Any, ran: Mapping[str, str], request: Any, *, http_request: Any = None
) -> None:
    """What the page asks for when it is connected: cells that are different in it (they were edited before, or it
    was open when an earlier session ended) run as they are there, and its controls keep their values."""
    del session.instantiate
    commands = _module("marimo._runtime.commands")
    codes = dict(request.codes or ran)
    # Those that it does not have go first: their names may be another cell's now.
    for cell in ran.keys() - codes.keys():
        session.put_control_request(commands.DeleteCellCommand(cell_id=cell), from_consumer_id=None)
    changed = {cell: code for cell, code in codes.items() if ran.get(cell) != code}
    if changed:
        run = commands.ExecuteCellsCommand(
            cell_ids=list(changed), codes=list(changed.values()), request=http_request
        )
        session.put_control_request(run, from_consumer_id=None)
    if request.object_ids:
        values = commands.UpdateUIElementCommand(
            object_ids=request.object_ids, values=request.values, token=str(uuid4()), request=http_request
        )
        session.put_control_request(values, from_consumer_id=None)


def _probe() -> None:
    """Raises what tells that this marimo is another one."""
    manager = _module("marimo._server.session_manager").SessionManager
    session = _module("marimo._session.session").SessionImpl
    repository = _module("marimo._session.session_repository").SessionRepository
    commands = _module("marimo._runtime.commands")
    _takes(
        manager.create_session,
        "session_id session_consumer query_params file_key auto_instantiate",
        ["main"],
    )
    _takes(manager.maybe_resume_session, "new_session_id file_key")
    _takes(manager.get_session_by_file_key, "file_key")
    _takes(manager.close_session, "session_id")
    _takes(repository.update_session_id_sync, "old_id new_id")
    _takes(repository.get_session_id, "session")
    _takes(session.connect_consumer, "session_consumer main")
    _takes(session.disconnect_consumer, "session_consumer")
    _takes(session.instantiate, "request http_request")
    _takes(session.put_control_request, "request from_consumer_id")
    for name in ("DeleteCellCommand", "ExecuteCellsCommand", "UpdateUIElementCommand"):
        getattr(commands, name)
    connector = _connector()
    if "_replay_previous_session" not in inspect.getsource(connector.SessionConnector._notify_kernel_ready):
        raise NotEarly("marimo replays nothing to a new page")


def _takes(function: Any, names: str, more: list[str] | None = None) -> None:
    known = [name for name in inspect.signature(function).parameters if name != "self"]
    if [name for name in known if name not in (more or [])] != names.split():
        raise NotEarly(f"marimo's {function.__qualname__} takes other things")


def _connector() -> Any:
    return _module("marimo._server.api.endpoints.ws.ws_session_connector")


def _module(name: str) -> Any:
    return importlib.import_module(name)
