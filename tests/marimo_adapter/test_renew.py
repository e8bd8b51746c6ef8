"""What a forked process must not share."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import types
import uuid

import pytest

from mograder.marimo_adapter import caches, renew


def test_keys_and_names_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    before = bytes(multiprocessing.current_process().authkey)
    monkeypatch.setattr(tempfile, "tempdir", "/somewhere")
    monkeypatch.setattr(uuid, "_node", 5)
    renew.after_fork()
    assert bytes(multiprocessing.current_process().authkey) != before
    assert tempfile.tempdir is None
    assert vars(uuid)["_node"] is None


def test_numpy_s_global_numbers_are_seeded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setitem(
        sys.modules, "numpy.random", types.SimpleNamespace(seed=lambda: calls.append("numpy"))
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(seed=lambda: calls.append("torch")))
    renew.after_fork()
    assert calls == ["numpy", "torch"]


def test_marimo_forgets_where_its_configuration_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from marimo._config import utils

    monkeypatch.setenv("HOME", "/nowhere")
    utils.get_user_config_path()
    assert utils.get_user_config_path.cache_info().currsize == 1
    caches.forget()
    assert utils.get_user_config_path.cache_info().currsize == 0
