"""A small assembler for classic BPF programs, the form in which the kernel takes a system call filter."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

# struct seccomp_data: the number, the architecture, the instruction pointer, six 64-bit arguments (little
# endian).
NUMBER, ARCHITECTURE = 0, 4

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_GREATER, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x25, 0x35, 0x45

ALLOW = 0x7FFF0000
KILL = 0x80000000
_ERRNO = 0x00050000


def argument(index: int) -> int:
    """The offset of the low 32 bits of an argument.

    The kernel itself reads no more of the arguments we look at.
    """
    return 16 + 8 * index


def errno_answer(number: int) -> int:
    """The verdict "do nothing and fail with this errno"; 0 succeeds without doing anything."""
    return _ERRNO | number


class Program:
    """Instructions in order.

    A jump counts the instructions that it skips, so every rule is a closed block.
    """

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._code)

    def load(self, offset: int) -> None:
        self._code.append((_LOAD, 0, 0, offset))

    def mask(self, bits: int) -> None:
        self._code.append((_AND, 0, 0, bits))

    def answer(self, verdict: int) -> None:
        self._code.append((_RETURN, 0, 0, verdict))

    def if_equal(self, value: int, then: Callable[[Program], None]) -> None:
        """Run the block ``then`` when the loaded value equals ``value``; go on behind it otherwise."""
        self._block(_IF_EQUAL, value, then)

    def unless_equal(self, value: int, then: Callable[[Program], None]) -> None:
        """Run the block ``then`` when the loaded value differs from ``value``."""
        block = self._closed(then)
        self._code.append((_IF_EQUAL, len(block), 0, value))
        self._code += block._code

    def if_at_least(self, value: int, then: Callable[[Program], None]) -> None:
        self._block(_IF_AT_LEAST, value, then)

    def if_any_bit(self, bits: int, then: Callable[[Program], None]) -> None:
        self._block(_IF_ANY_BIT, bits, then)

    def answer_numbers(self, numbers: Iterable[int], verdict: int) -> None:
        """Answer with ``verdict`` when the loaded value is one of ``numbers``; neighbours share one comparison."""
        for low, high in _ranges(numbers):
            if low == high:
                self.if_equal(low, lambda block: block.answer(verdict))
            else:
                self._code += [(_IF_AT_LEAST, 0, 2, low), (_IF_GREATER, 1, 0, high), (_RETURN, 0, 0, verdict)]

    def _block(self, test: int, value: int, then: Callable[[Program], None]) -> None:
        block = self._closed(then)
        self._code.append((test, 0, len(block), value))
        self._code += block._code

    @staticmethod
    def _closed(then: Callable[[Program], None]) -> Program:
        block = Program()
        then(block)
        if len(block) > 255:  # a jump distance is one byte
            raise ValueError(f"a block of {len(block)} instructions is too long to jump over")
        return block

    def assemble(self) -> bytes:
        """``struct sock_filter[]`` in the byte order of this machine."""
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in self._code)


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
