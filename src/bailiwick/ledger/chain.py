"""The hash chain: how a record becomes an entry, and how an edit is found (invariant 8)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

import msgspec

from bailiwick.codec import decoder
from bailiwick.effects import Record
from bailiwick.errors import BadInput, CorruptLedger

GENESIS = bytes(32)
"""What the first entry is chained to."""

_decode = decoder(Record)


class Head(NamedTuple):
    """Where a chain ends: that of an empty ledger is ``Head(0, GENESIS)``."""

    seq: int
    hash: bytes


EMPTY = Head(0, GENESIS)


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One link of the chain, as stored."""

    seq: int
    """1 for the first; no number is left out."""
    hash: bytes
    """`link` of the previous entry's hash and this body."""
    body: bytes
    """The record in the bytes it was first written with; never encoded again."""

    @property
    def record(self) -> Record:
        """The decoded body. Raises `CorruptLedger` if it does not hold a record."""
        try:
            return _decode(self.body)
        except BadInput as error:
            raise CorruptLedger(f"entry {self.seq} does not hold a record: {error}", seq=self.seq) from error


def link(previous: bytes, body: bytes) -> bytes:
    """SHA-256 over the hash of the entry before, followed by the body."""
    return sha256(previous + body).digest()


def verify(entries: Iterable[Entry], start: Head = EMPTY) -> Head:
    """Walk the chain from ``start`` and return where it ends.

    Raises `CorruptLedger` naming the first entry that was edited, moved or put in, or the number that is missing. A tail
    that was cut off whole leaves a valid chain: compare the head with one that was kept elsewhere.
    """
    seq, previous = start
    for entry in entries:
        if entry.seq != seq + 1:
            raise CorruptLedger(f"entry {seq + 1} is missing: entry {entry.seq} follows entry {seq}", seq=seq + 1)
        if link(previous, entry.body) != entry.hash:
            raise CorruptLedger(f"entry {entry.seq} was edited, or stands where another stood: its hash does not fit", seq=entry.seq)
        _ = entry.record
        seq, previous = entry.seq, entry.hash
    return Head(seq, previous)
