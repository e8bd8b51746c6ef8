"""mograder.environments.warming"""

from __future__ import annotations

import pytest

from mograder.environments import Environment, Environments, Step, plan, warm
from tests.support.environments import NUMPY_NOTEBOOK

NOTEBOOKS = {
    "A1": NUMPY_NOTEBOOK,
    "A2": "# /// script\n# dependencies = [\n# ///\n",
    "A3": '# /// script\n# dependencies = ["numpy==99"]\n# ///\n',
}


def test_the_plan_says_what_each_notebook_asks_for_and_what_can_not_be_read() -> None:
    planned = plan(NOTEBOOKS)
    assert [item.name for item in planned] == ["A1", "A2", "A3"]
    assert planned[0].requirements.dependencies == ("marimo", "numpy>=1.26")
    assert "A2:2" in str(planned[1].error)


@pytest.mark.real
def test_warming_goes_on_after_a_notebook_that_fails(
    environments: Environments, environment: Environment
) -> None:
    steps: list[tuple[str, Step]] = []
    done = list(warm(plan(NOTEBOOKS), environments, lambda name, step: steps.append((name, step))))
    assert [item.environment for item in done] == [environment, None, None]
    assert "A2:2" in str(done[1].error)
    assert "A3:2: numpy==99 can not be had" in str(done[2].error)
