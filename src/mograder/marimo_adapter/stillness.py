"""Keeping the memory that sessions share with their warm process untouched, so that it stays shared.

A forked session copies every page that it writes to, and CPython writes to objects that are only used: it counts
references in them, and notes what it finds out (a string's hash, the version of a type). Most of a session's own
memory is copies made for that. So what can be noted is noted before the fork, and where the interpreter has immortal
objects (PEP 683, from Python 3.12 on) all that is there before the fork is made immortal: it is never freed, which a
session never needs, and its references are not counted.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import types
from typing import Any

#: Versions whose immortal objects are marked by one value of the lower half of the reference count.
_IMMORTAL = ((3, 12), (3, 13))


def settle() -> None:
    """Prepare everything that is alive for being shared. Call it last, before the first fork, with one thread."""
    gc.disable()
    everything = _everything()
    for thing in everything:
        _note(thing)
    # Entries of the attribute cache hold a reference to a name; evicting one later would write to it.
    sys._clear_type_cache()
    if can_immortalise():
        _immortalise(everything)
    del everything
    # Not collected first: freed objects would leave holes in pages that sessions then fill, and copy.
    gc.freeze()


def keep() -> None:
    """Prepare what was made since ``settle`` for being shared, too."""
    gc.freeze()


def can_immortalise() -> bool:
    """Whether this interpreter is one whose objects can be made immortal, as tried on one of them."""
    if sys.version_info[:2] not in _IMMORTAL or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    probe = object()
    before = sys.getrefcount(probe)
    count = ctypes.c_uint32.from_address(id(probe))
    # Not otherwise readable: this also tells a build with another layout (free-threaded, traced).
    if count.value != before - 1:
        return False
    kept = count.value
    count.value = _mark()
    held = [probe] * 3
    stood = count.value == _mark()
    del held
    count.value = kept
    return stood


def _mark() -> int:
    """The lower half of an immortal object's reference count, as None has it."""
    return ctypes.c_uint32.from_address(id(None)).value


def _immortalise(things: list[Any]) -> None:
    mark = _mark()
    count = ctypes.c_uint32
    for thing in things:
        count.from_address(id(thing)).value = mark


def _note(thing: Any) -> None:
    """Have the interpreter note now what it would note in the object when a session first uses it."""
    if type(thing) is str:
        hash(thing)
    elif isinstance(thing, type):
        with contextlib.suppress(Exception):  # some classes refuse to be asked; nothing is lost
            getattr(thing, "__not_there__", None)  # gives the type, and those it derives from, a version


def _everything() -> list[Any]:
    """All objects that the collector knows, and what they refer to."""
    pending = gc.get_objects()
    found = list(pending)
    seen = {id(thing) for thing in pending}
    seen |= {id(pending), id(found), id(seen)}
    while pending:
        thing = pending.pop()
        for other in _parts(thing) if type(thing) is types.CodeType else gc.get_referents(thing):
            if id(other) not in seen:
                seen.add(id(other))
                pending.append(other)
                found.append(other)
    return found


def _parts(code: types.CodeType) -> tuple[Any, ...]:
    """What a code object refers to; the collector does not look into these."""
    return (
        *(code.co_consts, code.co_names, code.co_filename, code.co_name, code.co_qualname),
        *(code.co_linetable, code.co_exceptiontable),
    )
