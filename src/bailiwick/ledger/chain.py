"""The hash chain: how a record becomes an entry, and how an edit is found (invariant 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

import msgspec

from bailiwick.effects import Record
from bailiwick.errors import BadInput, CorruptLedger
from bailiwick.ledger.payload import NO_PAYLOAD, commitment, join

GENESIS = bytes(32)
"""What the first entry is chained to."""


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
    """`link` of the previous entry's hash, this body and this payload's commitment."""
    body: bytes
    """The record without its payload, in the bytes it was first written with; never encoded again."""
    payload: bytes = b""
    """What the record carries, behind 16 random bytes; empty if it carries nothing, or was erased."""
    erased: bytes = b""
    """The commitment that stands for an erased payload; empty if none was erased."""

    @property
    def record(self) -> Record:
        """What was recorded; what was erased is missing from it. Raises `CorruptLedger` if the entry does not hold a record."""
        try:
            return join(self.body, self.payload)
        except BadInput as error:
            raise CorruptLedger(f"entry {self.seq} does not hold a record: {error}", seq=self.seq) from error


def link(previous: bytes, body: bytes, committed: bytes = NO_PAYLOAD) -> bytes:
    """SHA-256 over three parts: the hash of the entry before, the payload's `commitment` (32 bytes each), and the body."""
    return sha256(previous + committed + body).digest()


def verify(entries: Iterable[Entry], start: Head = EMPTY) -> Head:
    """Walk the chain from ``start`` and return where it ends.

    Raises `CorruptLedger` naming the first entry that was edited, moved or put in, or the number that is missing. An erased payload
    is no damage; a payload put in its place is. A tail that was cut off whole leaves a valid chain, and so does a history that was
    written anew from some entry on: `prove` compares signatures and what was kept elsewhere.
    """
    seq, last_hash = start
    for entry, _ in walk(entries, start):
        seq, last_hash = entry.seq, entry.hash
    return Head(seq, last_hash)


def walk(entries: Iterable[Entry], start: Head = EMPTY) -> Iterator[tuple[Entry, Record]]:
    """Each entry that fits the chain so far, and its record. Raises what `verify` raises at the first that does not."""
    seq, previous = start
    for entry in entries:
        if entry.seq != seq + 1:
            raise CorruptLedger(f"entry {seq + 1} is missing: entry {entry.seq} follows entry {seq}", seq=seq + 1)
        if link(previous, entry.body, entry.erased or commitment(entry.payload)) != entry.hash or (entry.erased and entry.payload):
            raise CorruptLedger(f"entry {entry.seq} was edited, or stands where another stood: its hash does not fit", seq=entry.seq)
        yield entry, entry.record
        seq, previous = entry.seq, entry.hash
