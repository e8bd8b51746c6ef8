"""A log that keeps the beginning, the end, and its size."""

from __future__ import annotations

import os
from pathlib import Path

from mograder.sandbox.logs import CappedLog


def feed(log: CappedLog, content: bytes) -> None:
    """Write as a session does, with somebody draining: a pipe holds 64 KiB."""
    for start in range(0, len(content), 30_000):
        os.write(log.writer, content[start : start + 30_000])
        log.drain()


def test_what_is_printed_is_in_the_file(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 1000)
    feed(log, b"hello\n")
    assert (tmp_path / "log").read_bytes() == b"hello\n"
    assert log.tail() == "hello\n"
    assert log.dropped == 0
    log.close()


def test_past_the_limit_the_file_stops_growing_and_says_so(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 1000)
    feed(log, b"x" * 400_000 + b"the end")
    content = (tmp_path / "log").read_bytes()
    assert content.startswith(b"x" * 1000)
    assert b"more than 1000 bytes" in content
    assert len(content) < 1100
    assert log.dropped == 399_007
    log.close()


def test_the_tail_is_the_last_that_was_printed(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 10)
    feed(log, b"a" * 100_000 + b"Traceback: it broke")
    assert log.tail().endswith("Traceback: it broke")
    assert len(log.tail()) <= 8192
    log.close()


def test_the_end_is_seen_when_every_writer_is_gone(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 100)
    assert log.drain() is True
    log.hand_over()
    log.hand_over()
    assert log.drain() is False
    log.close()


def test_one_drain_takes_no_more_than_its_budget(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 1 << 20)
    os.write(log.writer, b"y" * 60_000)
    log.drain(budget=1)
    os.set_blocking(log.writer, False)
    assert (tmp_path / "log").stat().st_size == 60_000  # one piece, then it gave the loop back
    log.close()


def test_a_link_in_the_place_of_the_log_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("keep")
    (tmp_path / "log").symlink_to(target)
    try:
        CappedLog(tmp_path / "log", 10)
    except OSError:
        assert target.read_text() == "keep"
    else:
        raise AssertionError("a link was followed")


def test_a_descriptor_can_be_given_instead_of_a_path(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY)
    log = CappedLog(descriptor, 100)
    feed(log, b"through a descriptor")
    log.close()
    os.close(descriptor)  # still ours to close
    assert (tmp_path / "log").read_bytes() == b"through a descriptor"


def test_who_prints_is_not_held_up_by_a_full_disk(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    log = CappedLog(full, limit=1 << 20)
    try:
        for _ in range(3):  # more than the pipe holds
            os.write(log.writer, b"x" * 60_000)
            assert log.drain()
        assert log.tail() == "x" * 8192
    finally:
        log.close()
        os.close(full)
