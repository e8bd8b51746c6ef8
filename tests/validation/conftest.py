from __future__ import annotations

import pytest

from mograder.environments import Environment, Environments
from tests.support.environments import numpy_lock, shared_environments


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    return shared_environments(tmp_path_factory)


@pytest.fixture(scope="session")
def environment(environments: Environments) -> Environment:
    return environments.ready(numpy_lock(environments))
