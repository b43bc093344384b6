"""Frames: MessagePack behind four bytes of length, big-endian. Kept free of imports that a starting worker would pay for."""

from __future__ import annotations

from bailiwick import codec

HEADER_BYTES = 4
LIMIT_BYTES = 64 * 2**20
"""The longest frame, both ways. Larger things cross as a file and its path."""


def pack(message: object) -> bytes | None:
    """``message`` as a frame; None if it is longer than `LIMIT_BYTES`. Raises `Unencodable`."""
    body = codec.encode(message)
    if len(body) > LIMIT_BYTES:
        return None
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def length_of(header: bytes | bytearray) -> int:
    """How many bytes follow ``header``. Only a corrupt header says more than `LIMIT_BYTES`."""
    return int.from_bytes(header[:HEADER_BYTES], "big")


def mebibytes(size_bytes: int) -> str:
    """``size_bytes`` for an error message."""
    return f"{size_bytes / 2**20:.1f} MiB"
