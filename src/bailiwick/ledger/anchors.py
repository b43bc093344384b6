"""Anchors: attestations kept in a second place, which show that the end of the record was cut off or its past written anew.

A signature proves that what it covers was there. It cannot prove that nothing came after it, nor, if the key was stolen, that there was
no other history before. Something that was noted elsewhere, and that whoever changes the record cannot change, can.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, TypedDict
from urllib.parse import unquote, urlsplit

import msgspec

from bailiwick.effects import Attestation
from bailiwick.errors import BadInput


class Anchored(NamedTuple):
    """What a place holds."""

    attestations: tuple[Attestation, ...]
    """In the order in which they were put there."""
    unreadable: int
    """Lines that are no attestation: torn by a crash while they were written, or damaged."""


class Place:
    """A file that is only ever appended to, one attestation a line: JSON, with bytes in hex.

    It should be where those who can write the record cannot change what is there: another machine's disk, or a file with the
    append-only attribute. Its directory is never made: an unmounted disk must not be mistaken for a mounted one.
    """

    def __init__(self, name: str) -> None:
        """``name``: a path, or a URL ``file:…``. Raises `BadInput` for any other URL."""
        self.name = name
        self.path = _path(name)
        self._whole = False
        """Whether the file is known to end with a whole line."""

    def put(self, attestation: Attestation) -> None:
        """Return once ``attestation`` is durable there. Blocks. Raises `OSError`; then perhaps a torn line is there, and does no harm."""
        new = not self.path.exists()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # What was torn stays a line of its own. The file may be one that cannot be read here, so nobody looks.
            clean = self._whole or os.fstat(fd).st_size == 0
            self._whole = False
            line = (b"" if clean else b"\n") + as_line(attestation) + b"\n"
            if os.write(fd, line) != len(line):
                raise OSError(0, "it took only a part of the line")
            os.fsync(fd)
        finally:
            os.close(fd)
        if new:
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        self._whole = True

    def read(self) -> Anchored:
        """What is there now; nothing is checked yet. Raises `OSError`."""
        found: list[Attestation] = []
        unreadable = 0
        for line in self.path.read_bytes().splitlines():
            if line.strip():
                attestation = _from_line(line)
                if attestation is None:
                    unreadable += 1
                else:
                    found.append(attestation)
        return Anchored(tuple(found), unreadable)


def as_line(attestation: Attestation) -> bytes:
    """``attestation`` as it stands in a `Place`, without the line's end."""
    line = _Line(
        seq=attestation.seq,
        hash=attestation.hash.hex(),
        key=attestation.key.hex(),
        signature=attestation.signature.hex(),
        at_ns=attestation.at_ns,
    )
    return msgspec.json.encode(line)


class _Line(TypedDict):
    seq: int
    hash: str
    key: str
    signature: str
    at_ns: int


_decode = msgspec.json.Decoder(_Line)


def _from_line(line: bytes) -> Attestation | None:
    try:
        parts = _decode.decode(line)
        return Attestation(
            seq=parts["seq"],
            hash=bytes.fromhex(parts["hash"]),
            key=bytes.fromhex(parts["key"]),
            signature=bytes.fromhex(parts["signature"]),
            at_ns=parts["at_ns"],
        )
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None


def _path(name: str) -> Path:
    if name.startswith("file:"):
        parts = urlsplit(name)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise BadInput(f"anchors: `{name}` names no file here; write `file:/mnt/elsewhere/anchors.jsonl`")
        return Path(unquote(parts.path)).expanduser().absolute()
    if "://" in name or not name:
        raise BadInput(f"anchors: `{name}` is not a place that anchors can be put: give a path, or `file:` and a path")
    return Path(name).expanduser().absolute()
