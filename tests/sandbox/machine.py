"""A machine for classic BPF, to ask a filter what it would answer: also for architectures that we do not run on."""

from __future__ import annotations

import struct

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}


def answer(program: bytes, number: int, arguments: tuple[int, ...] = (), *, audit: int) -> int:
    """The verdict on a call: what the kernel's interpreter of seccomp filters would return (linux/filter.h)."""
    wide = [*arguments, *([0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *(word & 0xFFFFFFFFFFFFFFFF for word in wide))
    code = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        operation, when_true, when_false, constant = code[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, constant)[0]
        elif operation == 0x54:
            accumulator &= constant
        elif operation == 0x06:
            return constant
        else:
            test = {
                0x15: accumulator == constant,
                0x25: accumulator > constant,
                0x35: accumulator >= constant,
                0x45: bool(accumulator & constant),
            }[operation]
            at += when_true if test else when_false
