"""What the OpenAPI description promises, a fuzzer tries against the real hub."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.hub import RunningHub

pytestmark = pytest.mark.real


def test_the_hub_keeps_its_description(hub: RunningHub) -> None:
    import schemathesis  # takes seconds, in every process that only looks which tests there are

    schema = schemathesis.openapi.from_url(hub.url + "openapi.json")
    operations = [found.ok() for found in schema.exclude(path_regex="^/events/").get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        _try(operation, hub.url.rstrip("/"))


def _try(operation: Any, url: str) -> None:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    promised = [checks.status_code_conformance, checks.content_type_conformance]
    promised += [checks.response_schema_conformance, not_a_server_error]

    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def attempt(case: Any) -> None:
        case.call_and_validate(
            base_url=url, headers={"X-Remote-User": "fuzzer"}, checks=promised, timeout=600
        )

    attempt()
