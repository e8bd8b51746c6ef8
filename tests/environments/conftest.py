from __future__ import annotations

import pytest

from mograder.environments import Environment, Environments, Lock
from tests.support.environments import numpy_lock, shared_environments


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return shared_environments(tmp_path_factory)


@pytest.fixture(scope="session")
def lock(environments: Environments) -> Lock:
    return numpy_lock(environments)


@pytest.fixture(scope="session")
def environment(environments: Environments, lock: Lock) -> Environment:
    return environments.ready(lock)
