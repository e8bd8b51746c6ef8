"""mograder.environments.locks"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from mograder.environments import OLDEST_MARIMO, Environments, Lock, Requirements, resolve
from mograder.errors import EnvironmentFailed, Malformed, UnusablePackages

HASH = "    --hash=sha256:" + "0" * 64
PINS = f"marimo==0.25.2 \\\n{HASH} \\\n{HASH}\nnumpy==2.4.6\n"


def broken(*entries: str) -> str:
    header = f"# /// script\n# dependencies = {list(entries)!r}\n# ///\n"
    with pytest.raises(EnvironmentFailed) as error:
        resolve(Requirements.from_notebook(header, name="A1.py"))
    return error.value.message


def test_a_lock_knows_its_packages_and_its_marimo() -> None:
    lock = Lock("# a comment\n" + PINS)
    assert lock.packages == {"marimo": "0.25.2", "numpy": "2.4.6"}
    assert lock.marimo_version == "0.25.2"


def test_comments_do_not_make_another_lock_but_versions_do() -> None:
    assert Lock("# one\n\n" + PINS).digest == Lock(PINS).digest
    assert Lock(PINS.replace("2.4.6", "2.4.5")).digest != Lock(PINS).digest


@pytest.mark.parametrize(
    "line",
    [
        "-r /etc/passwd",
        "--index-url https://evil.example",
        "-e .",
        "evil @ https://evil.example/evil.whl",
        "numpy>=1",
        "numpy==1 --hash=sha256:00 --config-settings x",
        "./evil.whl",
    ],
)
def test_a_lock_that_says_more_than_versions_is_refused(line: str) -> None:
    with pytest.raises(Malformed, match="Line 5 of the lock is not a pinned package"):
        Lock(PINS + line + "\n")


def test_a_lock_without_marimo_is_refused() -> None:
    with pytest.raises(Malformed, match="does not have marimo"):
        Lock("numpy==2.4.6\n")


@pytest.mark.parametrize("version", ["0.18.4", "0.9.0", "0.x"])
def test_a_marimo_that_sessions_are_not_proven_on_is_refused_with_the_line_and_what_to_write(
    version: str, tmp_path: Path
) -> None:
    lock = Lock(f"marimo=={version}\n")
    asked = Requirements(("marimo",), source="A1.py", lines={"marimo": 3})
    for refuse in (lock.check_marimo, lambda asked: Environments(tmp_path).ready(lock, asked=asked)):
        with pytest.raises(UnusablePackages) as error:
            refuse(asked)
        assert error.value.message == (
            f"A1.py:3: marimo {version} is too old for the hub, which needs 0.19 or newer."
        )
        assert "marimo>=0.19" in (error.value.tip or "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
def test_an_old_marimo_that_the_index_has_is_refused_before_anything_is_built() -> None:
    assert broken("numpy", "marimo==0.18.4").startswith("A1.py:2: marimo 0.18.4 is too old for the hub")


@pytest.mark.parametrize("version", [OLDEST_MARIMO, "0.20.4", "0.25.2", "1.0rc1"])
def test_any_other_marimo_is_not(version: str) -> None:
    Lock(f"marimo=={version}\n").check_marimo(Requirements())


@pytest.mark.real
def test_resolving_pins_everything_with_hashes_and_the_hubs_marimo(lock: Lock) -> None:
    assert lock.packages.keys() >= {"marimo", "numpy", "starlette"}
    assert "mograder" not in lock.packages
    assert lock.marimo_version == importlib.metadata.version("marimo")
    pins = [line for line in lock.text.splitlines() if "==" in line]
    assert all(line.endswith("\\") for line in pins)


@pytest.mark.real
def test_a_notebook_may_pin_another_marimo(environments: Environments) -> None:
    header = '# /// script\n# dependencies = ["marimo==0.23.16"]\n# ///\n'
    assert environments.resolve(Requirements.from_notebook(header)).marimo_version == "0.23.16"


@pytest.mark.real
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            ["numpy", "no-such-package-of-anyone"],
            "A1.py:2: no-such-package-of-anyone can not be had: the index has no package of that name.",
        ),
        (["numpy==99"], "A1.py:2: numpy==99 can not be had: the index has no such version."),
        (
            ["numpy<2", "numpy>2"],
            "A1.py:2: numpy<2 and numpy>2 can not be had: these contradict each other.",
        ),
    ],
)
def test_what_can_not_be_had_is_said_with_its_line_and_reason(entries: list[str], message: str) -> None:
    assert broken(*entries) == message


@pytest.mark.real
def test_a_package_without_a_ready_made_wheel_is_not_built() -> None:
    assert "docopt==0.6.2 can not be had: it has no ready-made wheel for Python" in broken("docopt==0.6.2")


@pytest.mark.real
def test_a_conflict_deep_in_the_tree_is_explained() -> None:
    assert broken("pandas==2.2.3", "numpy<1.22").startswith("A1.py:2: ")


@pytest.mark.real
def test_an_index_that_can_not_be_reached_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(EnvironmentFailed, match="the package index can not be reached"):
        resolve(Requirements(("numpy",), source="A1.py"), uv_cache_dir=tmp_path)


@pytest.mark.real
def test_a_python_that_does_not_fit_stops_before_uv_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mograder.environments.locks.Uv", None)
    with pytest.raises(EnvironmentFailed, match="asks for Python >=4"):
        resolve(Requirements(requires_python=">=4"))
