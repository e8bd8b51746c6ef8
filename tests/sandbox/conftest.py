"""One attacked hub for all tests of the sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.sandbox.world import World


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    if os.geteuid() != 0:
        pytest.skip("these tests become several users: run them as root")
    with ExitStack() as stack:
        yield World(stack)
