"""Settings that were just read, a console that nobody has used, a package that was just missing, a list that nobody
sees, a selector for one pipe, loggers that are set up, ports that nobody uses: left alone; all else is as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.marimo_adapter.test_rehearsal import said

pytestmark = pytest.mark.real

_SETTINGS = """
from marimo._config import manager
from mograder.marimo_adapter import spared
reads = []
read = manager.MarimoConfigManager.get_config
manager.MarimoConfigManager.get_config = lambda self, *, hide_secrets=True: (
    reads.append(self), read(self, hide_secrets=hide_secrets))[1]
print(spared.prepare(), spared.prepare())
settings = manager.get_default_config_manager(current_path=None)
def width():
    return settings.get_config()["display"]["cell_output"], len(reads)
"""

_CONSOLE = """
import threading
from marimo._messaging import console_output_worker as worker, streams
from marimo._messaging.cell_output import CellChannel
from mograder.marimo_adapter import spared
print(spared.prepare(), spared.prepare())
marks, sent = [], []
mark = streams.FlushMarker
streams.FlushMarker = lambda: marks.append(mark()) or marks[-1]
worker._write_console_output = lambda stream, kind, cell, data, *_: sent.append(data)
stream = streams.ThreadSafeStream.__new__(streams.ThreadSafeStream)
stream.redirect_console = True
stream.console_msg_queue, stream.console_msg_cv = streams.deque(), threading.Condition()
words = (stream.console_msg_queue, stream, stream.console_msg_cv)
stream.buffered_console_thread = threading.Thread(target=worker.buffered_writer, args=words, daemon=True)
stream.buffered_console_thread.start()
def printed(text):
    with stream.console_msg_cv:
        stream.console_msg_queue.append(worker.ConsoleMsg(CellChannel.STDOUT, "cell", text, "text/plain"))
        stream.console_msg_cv.notify()
def flushed():
    stream.flush_console()
    return len(marks), list(sent)
"""


def test_settings_are_read_once_and_everybody_has_their_own(python: Path, tmp_path: Path) -> None:
    code = """
print(*width())
settings.get_config()["display"]["cell_output"] = "mine"
print(*width())
"""
    assert said(python, _SETTINGS + code, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path)) == [
        "[] []",
        "below 1",
        "below 1",
    ]


def test_settings_that_are_saved_or_older_are_read_anew(python: Path, tmp_path: Path) -> None:
    code = """
width()
settings.save_config({"display": {"cell_output": "above"}})
print(*width())
spared._SETTINGS_SECONDS = -1
print(*width())
"""
    assert said(python, _SETTINGS + code, HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))[1:] == [
        "above 2",
        "above 3",
    ]


def test_a_console_is_flushed_when_something_was_printed(newest: Path) -> None:
    code = """
print(*flushed())
printed("a")
print(*flushed())
print(*flushed())
printed("b")
printed("c")
print(*flushed())
"""
    assert said(newest, _CONSOLE + code) == ["[] []", "0 []", "1 ['a']", "1 ['a']", "2 ['a', 'bc']"]


def test_a_missing_package_is_looked_for_once_in_a_while(python: Path, tmp_path: Path) -> None:
    code = """
import importlib.util
from marimo._dependencies.dependencies import Dependency
looked = []
find = importlib.util.find_spec
importlib.util.find_spec = lambda name: (looked.append(name), find(name))[1]
from mograder.marimo_adapter import spared
print(spared.prepare(), spared.prepare())
print(Dependency("newcomer").has(), Dependency("newcomer").has(), Dependency("json").has(), Dependency("json").has())
print(looked)
sys.path.insert(0, PLACE)
Path(PLACE, "newcomer.py").write_text("")
importlib.invalidate_caches()
now = spared.time.monotonic()
spared.time.monotonic = lambda: now + 0.5
print(Dependency("newcomer").has())
spared.time.monotonic = lambda: now + 1.5
print(Dependency("newcomer").has())
"""
    assert said(python, f"PLACE = {str(tmp_path)!r}\n" + code) == [
        "[] []",
        "False False True True",
        "['newcomer', 'json', 'json']",
        "False",
        "True",
    ]


def test_no_list_of_notebooks_is_kept(python: Path, tmp_path: Path) -> None:
    code = """
from marimo._server.recents import RecentFilesManager
from marimo._utils.config import config
config.ROOT_DIR = Path(PLACE)
def files():
    return list(Path(PLACE).rglob("recent_files.toml"))
RecentFilesManager().touch("/a/notebook.py")
print(len(files()))
for path in files():
    path.unlink()
from mograder.marimo_adapter import spared
spared.prepare()
RecentFilesManager().touch("/a/notebook.py")
print(files(), RecentFilesManager().get_recents())
"""
    assert said(python, f"PLACE = {str(tmp_path)!r}\n" + code) == ["1", "[] []"]


def test_a_pipe_says_whether_something_has_come(python: Path) -> None:
    code = """
import multiprocessing, threading, time
from multiprocessing import connection
def asked():
    theirs, ours = multiprocessing.Pipe(duplex=False)
    found = [theirs.poll(), theirs.poll(-1)]
    begun = time.monotonic()
    found += [theirs.poll(0.2), time.monotonic() - begun >= 0.2]
    threading.Timer(0.1, ours.send, [1]).start()
    found += [theirs.poll(None), theirs.poll(), theirs.recv(), theirs.poll()]
    ours.close()
    found += [theirs.poll()]
    theirs.close()
    try:
        theirs.poll()
    except OSError as error:
        found.append(str(error))
    return found
before = asked()
from mograder.marimo_adapter import spared
spared.prepare()
class Selector:
    def __init__(self):
        raise AssertionError
connection._WaitSelector = Selector
print(asked() == before)
print(before)
"""
    assert said(python, code) == [
        "True",
        "[False, False, False, True, True, True, 1, False, True, 'handle is closed']",
    ]


def test_loggers_are_set_up_once_and_as_ever(python: Path) -> None:
    code = """
import logging, os, uvicorn
from mograder.marimo_adapter import spared
def loggers():
    found = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    return [(one.name, one.level, one.propagate, [handled(each) for each in one.handlers]) for one in found]
def handled(one):
    form = one.formatter
    return type(one).__name__, type(form).__name__, form._fmt, form.use_colors, one.stream.name, one.level
def made(**words):
    uvicorn.Config(lambda: None, log_level="error", **words)
    return loggers()
pid = os.fork()
if pid == 0:
    os.write(WRITE, repr(made()).encode())
    os._exit(0)
os.waitpid(pid, 0)
theirs = os.read(READ, 65536).decode()
spared.prepare()
config = logging.config.dictConfig
logging.config.dictConfig = lambda settings: print("set up anew")
made()  # by a cell
import socket
from mograder.marimo_adapter import hooks
hooks.enter({}, socket.socket())
print(repr(made()) == theirs, "uvicorn" in theirs)
made(use_colors=False)
made(log_config={"version": 1, "mine": True})
"""
    pipe = "import logging.config, os\nREAD, WRITE = os.pipe()\n"
    assert said(python, pipe + code) == ["set up anew", "True True", "set up anew", "set up anew"]


def test_no_port_is_looked_for_where_no_language_server_may_start(python: Path) -> None:
    code = """
from marimo._server import lsp
from marimo._utils import net
from mograder.marimo_adapter import spared
spared.prepare()
net._bind_sockets = None
print(lsp.find_free_port(2718), lsp.find_free_port(2719))
"""
    assert said(python, code) == ["2718 2719"]


def test_every_marimo_is_one_that_is_known(python: Path) -> None:
    assert said(python, "from mograder.marimo_adapter import spared\nprint(spared.prepare())") == ["[]"]
