"""Preparing environments ahead of need, for a list of notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from mograder.environments.build import Step
from mograder.environments.requirements import Requirements
from mograder.environments.store import Environment, Environments
from mograder.errors import MograderError


@dataclass(frozen=True, slots=True)
class Planned:
    """One notebook and what it asks for; ``error`` instead if that can not be read."""

    name: str
    requirements: Requirements
    error: MograderError | None = None


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of one planned notebook: its environment, or the error."""

    name: str
    environment: Environment | None
    error: MograderError | None = None


def plan(notebooks: Mapping[str, str]) -> list[Planned]:
    """What each notebook (name -> text) asks for, in the same order. Pure: nothing is resolved or built."""
    return [_planned(name, text) for name, text in notebooks.items()]


def warm(
    planned: Iterable[Planned],
    environments: Environments,
    on_step: Callable[[str, Step], None] | None = None,
) -> Iterator[Warmed]:
    """Resolve and build each, one after another; one that fails does not stop the rest.

    ``on_step`` gets the notebook's name and each step of its build.
    """
    for item in planned:
        yield _warm_one(item, environments, on_step or (lambda _name, _step: None))


def _planned(name: str, text: str) -> Planned:
    try:
        return Planned(name, Requirements.from_notebook(text, name=name))
    except MograderError as error:
        return Planned(name, Requirements(source=name), error)


def _warm_one(item: Planned, environments: Environments, on_step: Callable[[str, Step], None]) -> Warmed:
    if item.error:
        return Warmed(item.name, None, item.error)
    try:
        lock = environments.resolve(item.requirements)
        return Warmed(
            item.name, environments.ready(lock, lambda step: on_step(item.name, step), item.requirements)
        )
    except MograderError as error:
        return Warmed(item.name, None, error)
