"""Sentences that remember how they were made, so that they can be said in another language later.

A sentence is made deep in the house, in English, for the log, for a terminal, for a program. Whoever shows it to a
person says it again from its template: ``told(sentence, gettext)``. It is a string, so nobody else has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


class Sentence(str):
    """``template`` with its ``values`` filled in; without values it is taken as it is, braces and all.

    A value may be a sentence of its own: it is told in the same language. All else is data, as text or as a number,
    the same in every one.
    """

    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, **values: Any) -> Sentence:
        data = {name: value if isinstance(value, str | int) else str(value) for name, value in values.items()}
        made = super().__new__(cls, template.format(**data) if data else template)
        made.template, made.values = str(template), data
        return made


def joined(parts: Sequence[str], by: str = "; ") -> Sentence:
    """Several sentences as one; each is told by itself."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Sentence(by.join(f"{{{name}}}" for name in values), **values)


def told(what: Any, translate: Callable[[str], str]) -> Any:
    """``what`` with every sentence in it said anew from what ``translate`` makes of its template.

    A plain string that is asked for is its own template; within lists and objects plain strings are data.
    """
    if isinstance(what, str) and not isinstance(what, Sentence):
        return translate(what)
    return _told(what, translate)


def _told(what: Any, translate: Callable[[str], str]) -> Any:
    if isinstance(what, Sentence):
        said = translate(what.template)
        values = {name: _told(value, translate) for name, value in what.values.items()}
        return said.format(**values) if values else said
    return _walked(what, lambda inner: _told(inner, translate))


def packed(what: Any) -> Any:
    """``what`` as plain JSON data from which `unpacked` makes it again, sentences and all."""
    if isinstance(what, Sentence):
        return {"sentence": what.template, "values": packed(dict(what.values))}
    return _walked(what, packed)


def unpacked(what: Any) -> Any:
    """What `packed` was given."""
    if isinstance(what, dict) and what.keys() == {"sentence", "values"}:
        return Sentence(what["sentence"], **unpacked(what["values"]))
    return _walked(what, unpacked)


def _walked(what: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(what, dict):
        return {name: change(value) for name, value in what.items()}
    if isinstance(what, list | tuple):
        return [change(value) for value in what]
    return what
