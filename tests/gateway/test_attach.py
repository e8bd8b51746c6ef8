"""Putting the gateway into the installed uvicorn."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mograder.hub.gateway.asgi import GatewayApp
from mograder.hub.gateway.attach import attach, protocol_trouble
from mograder.hub.gateway.protocol import HubProtocol
from tests.gateway.test_admission import Door


async def app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("not called")


def test_the_installed_uvicorn_fits() -> None:
    attached = attach(app, Door())
    assert attached.trouble is None and attached.app is app
    assert issubclass(attached.settings["http"], HubProtocol)
    assert attached.settings["proxy_headers"] is False


def test_a_uvicorn_that_has_changed_gets_the_plain_form_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def changed(self: Any) -> None:
        raise AttributeError("no such thing any more")

    monkeypatch.setattr(HubProtocol, "_start_asgi_task", changed)
    attached = attach(app, Door())
    assert attached.trouble is not None
    assert isinstance(attached.app, GatewayApp) and attached.settings["http"] == "httptools"
    assert any(r.levelno == logging.WARNING and "plain ASGI" in r.message for r in caplog.records)


def test_wrong_answers_are_noticed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        HubProtocol, "on_header", lambda self, name, value: self.headers.append((name, value))
    )
    assert protocol_trouble() is not None
    monkeypatch.undo()
    assert protocol_trouble() is None
