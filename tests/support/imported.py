"""Pythons that have imported marimo, each of which runs a piece of code in a fork of itself.

To import marimo takes a second, and three hundred tests need no more than a process that has done so and nothing else.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

#: Seconds that a piece of code may take.
_PATIENCE = 600

_servers: dict[tuple[str, ...], subprocess.Popen[str]] = {}


def run(python: Path, code: str, *words: str, env: dict[str, str], path: str = "") -> list[str]:
    """What ``code`` prints, line by line, as ``python -c CODE WORDS`` would: marimo is there already.

    ``env`` is the whole environment of the process, ``path`` its PYTHONPATH. Raises ``AssertionError`` where it fails,
    with what it said.
    """
    server = _server(str(python), path)
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps({"code": code, "words": words, "env": env}), file=server.stdin, flush=True)
    assert select.select([server.stdout], [], [], _PATIENCE)[0], f"the code did not end:\n{code}"
    answer = json.loads(server.stdout.readline())
    assert answer["status"] == 0, answer["error"]
    return str(answer["output"]).splitlines()


def _server(python: str, path: str) -> subprocess.Popen[str]:
    key = (python, path)
    if key not in _servers:
        _servers[key] = subprocess.Popen(
            [python, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        atexit.register(_end, _servers[key])
    return _servers[key]


def _end(server: subprocess.Popen[str]) -> None:
    server.communicate()  # its input ends, and so does it


def _serve() -> None:
    """Run what each line of the input asks for, in a fork of its own."""
    from mograder.marimo_adapter import caches, preload

    # What ``python -c`` would have there, and not the directory of this file.
    sys.path[0] = ""
    preload.bring(preload.BASE)
    caches.forget()
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as error:
            child = os.fork()
            if child == 0:
                _run(json.loads(line), output.fileno(), error.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            error.seek(0)
            print(json.dumps({"status": status, "output": output.read(), "error": error.read()}), flush=True)


def _run(asked: dict[str, Any], output: int, error: int) -> None:
    status = 1
    try:
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(output, 1)
        os.dup2(error, 2)
        os.environ.clear()
        os.environ.update(asked["env"])
        sys.argv = ["-c", *asked["words"]]
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(asked["code"], "<string>", "exec"), vars(main))
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
