"""Follows a WebSocket's frames as bytes fly by: where one ends, and whether any carries a message."""

from __future__ import annotations


class FrameTrail:
    """Reads frame headers (RFC 6455, 5.2) in one direction of a connection and skips payloads unseen.

    Nothing is decoded or checked: both ends do that. A stream that is not WebSocket at all only makes the answers
    useless, never an error.
    """

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._left = 0  # of the current payload
        self._header = b""  # an incomplete frame header

    @property
    def between_frames(self) -> bool:
        """Whether the last byte seen ended a frame."""
        return not self._left and not self._header

    def advance(self, data: bytes) -> bool:
        """Take the next bytes; return whether they hold any part of a message, not only ping, pong or close."""
        at, end, message = self._left, len(data), self._left > 125  # no control frame is longer
        if not at and not self._header and end == _small_frame(data):  # nearly always
            return not data[0] & 0x08
        if at >= end:
            self._left = at - end
            return message
        if self._header:
            at = -len(self._header)
            data, self._header = self._header + data, b""
            at, end = 0, len(data)
        while at < end:
            header = _header_size(data, at)
            if header == 0 or at + header > end:
                self._header = data[at:]
                self._left = 0
                return message
            message = message or not data[at] & 0x08
            at += header + _payload_size(data, at)
        self._left = at - end
        return message

    def rest_of_frame(self, data: bytes) -> int:
        """Advance to the end of the current frame only; return how many bytes of ``data`` belong to it."""
        taken = 0
        while not self.between_frames and taken < len(data):
            step = min(self._left or 1, len(data) - taken)
            self.advance(data[taken : taken + step])
            taken += step
        return taken


def _small_frame(data: bytes) -> int:
    """Return the size of the frame that begins ``data`` if it is a small one, else -1."""
    if len(data) < 2 or data[1] & 0x7F > 125:
        return -1
    return 2 + (data[1] & 0x7F) + (4 if data[1] & 0x80 else 0)


def _header_size(data: bytes, at: int) -> int:
    """Return the size of the frame header at ``at``, 0 if that can not be told yet."""
    if at + 2 > len(data):
        return 0
    second = data[at + 1]
    return 2 + {126: 2, 127: 8}.get(second & 0x7F, 0) + (4 if second & 0x80 else 0)


def _payload_size(data: bytes, at: int) -> int:
    short = data[at + 1] & 0x7F
    if short == 126:
        return int.from_bytes(data[at + 2 : at + 4], "big")
    if short == 127:
        return int.from_bytes(data[at + 2 : at + 10], "big")
    return short
