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
        """Take the next bytes; return whether they hold any part of a message, not only ping, pong or close.

        One long function without calls: it runs for every frame of every open notebook.
        """
        at, end, message = self._left, len(data), self._left > 125  # no control frame is longer
        if self._header:
            data, self._header = self._header + data, b""
            end = len(data)
        while at < end:
            size = data[at + 1] & 0x7F if at + 2 <= end else -1
            header = 6 if size >= 0 and data[at + 1] & 0x80 else 2
            if size == 126:
                header += 2
                size = int.from_bytes(data[at + 2 : at + 4], "big")
            elif size == 127:
                header += 8
                size = int.from_bytes(data[at + 2 : at + 10], "big")
            if size < 0 or at + header > end:
                self._header, self._left = data[at:], 0
                return message
            message = message or not data[at] & 0x08
            at += header + size
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
