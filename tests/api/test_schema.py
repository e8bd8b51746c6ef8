"""What the OpenAPI description promises, a fuzzer tries against the real hub."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.hub import RunningHub

pytestmark = pytest.mark.real

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_the_hub_keeps_its_description(hub: RunningHub) -> None:
    schema = schemathesis.openapi.from_url(hub.url + "openapi.json")
    operations = [found.ok() for found in schema.exclude(path_regex="^/events/").get_all_operations()]
    assert len(operations) > 15
    for operation in operations:
        _try(operation, hub.url.rstrip("/"))


def _try(operation: schemathesis.schemas.APIOperation, url: str) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def attempt(case: schemathesis.Case) -> None:
        case.call_and_validate(base_url=url, headers={"X-Remote-User": "fuzzer"}, checks=CHECKS, timeout=60)

    attempt()
