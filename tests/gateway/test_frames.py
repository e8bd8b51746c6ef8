"""Following WebSocket frames without reading them."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from mograder.hub.gateway.frames import FrameTrail
from tests.gateway.client import frame, masked

opcodes = st.sampled_from([0, 1, 2, 8, 9, 10])
sizes = st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000])


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Frames of one direction, with control frames as short as they have to be."""
    make = draw(st.sampled_from([frame, masked]))
    result = []
    for opcode in draw(st.lists(opcodes, min_size=1, max_size=6)):
        size = draw(sizes)
        payload = draw(st.sampled_from([b"\x00", b"\x81", b"\x8a"])) * (
            min(size, 125) if opcode & 8 else size
        )
        result.append((opcode, make(payload, opcode)))
    return result


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(p % (len(data) + 1) for p in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(marks) if a < b]


@settings(max_examples=60)
@given(streams(), st.lists(st.integers(0, 200_000), max_size=12))
def test_frames_end_where_they_end_however_the_bytes_are_cut(
    frames: list[tuple[int, bytes]], places: list[int]
) -> None:
    data = b"".join(raw for _, raw in frames)
    ends, at = set(), 0
    for _, raw in frames:
        at += len(raw)
        ends.add(at)
    trail, seen = FrameTrail(), 0
    for piece in cut(data, places):
        trail.advance(piece)
        seen += len(piece)
        assert trail.between_frames == (seen in ends)


@settings(max_examples=60)
@given(streams())
def test_only_messages_count_as_such(frames: list[tuple[int, bytes]]) -> None:
    trail = FrameTrail()
    for opcode, raw in frames:
        assert trail.advance(raw) == (opcode < 8)
    assert FrameTrail().advance(b"".join(raw for _, raw in frames)) == any(opcode < 8 for opcode, _ in frames)


@settings(max_examples=60)
@given(streams(), st.integers(0, 200_000), st.binary(max_size=30))
def test_the_rest_of_a_frame_is_found(frames: list[tuple[int, bytes]], place: int, after: bytes) -> None:
    _, raw = frames[0]
    place = 1 + place % len(raw)
    trail = FrameTrail()
    trail.advance(raw[:place])
    rest = raw[place:]
    assert trail.rest_of_frame(rest + after) == len(rest)
    assert trail.between_frames


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_nonsense_never_raises(pieces: list[bytes]) -> None:
    trail = FrameTrail()
    for piece in pieces:
        trail.advance(piece)


def test_a_long_message_is_a_message_in_every_piece() -> None:
    trail = FrameTrail()
    data = masked(b"\x8a" * 100_000, 2)
    assert all(trail.advance(data[at : at + 1000]) for at in range(0, 100_000, 1000))
