"""Importing ahead without becoming unfit for forking. Each case runs in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def said(place: Path, code: str) -> str:
    """What ``code`` prints in a fresh interpreter that finds modules in ``place``."""
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r})\nfrom mograder.marimo_adapter import preload\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False
    )
    return done.stdout + done.stderr


def test_modules_are_imported_in_order_but_for_those_to_skip(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.py").write_text(f"print({name!r})")
    assert said(tmp_path, "print(preload.bring(['two', 'one', 'three'], ['three']))").split() == [
        "two",
        "one",
        "[]",
    ]


def test_a_module_that_can_not_be_imported_is_named_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit(3)")
    assert said(tmp_path, "print(preload.bring(['broken', 'absent']))") == "['broken', 'absent']\n"


def test_a_package_that_starts_a_thread_is_found_behind_its_importer(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    )
    (tmp_path / "innocent.py").write_text("try:\n    import busy\nexcept Exception:\n    pass")
    code = "try:\n    preload.bring(['innocent'])\n"
    code += "except preload.NotForkable as unfit:\n    print(unfit, '|', unfit.module, '|', unfit.root)"
    assert said(tmp_path, code) == "busy starts a thread when it is imported | busy | innocent\n"


def test_a_thread_that_ends_soon_after_the_import_is_no_harm(tmp_path: Path) -> None:
    code = "import threading, time\nt = threading.Thread(target=time.sleep, args=(0.2,))\nt.start()\nimport inner"
    (tmp_path / "passing.py").write_text(code)
    (tmp_path / "inner.py").write_text("")
    assert said(tmp_path, "print(preload.bring(['passing']), preload.threads())").split() == ["[]", "1"]


def test_shared_writable_memory_is_found(tmp_path: Path) -> None:
    code = "print(preload.shared_memory())\nimport mmap\nkept = mmap.mmap(-1, 4096)\n"
    code += "print(len(preload.shared_memory()))"
    assert said(tmp_path, code).split() == ["[]", "1"]
