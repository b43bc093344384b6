"""The record: an append-only, hash-chained log of what was asked and what came of it (invariants 1, 2 and 8)."""

from bailiwick.ledger.chain import EMPTY, GENESIS, Entry, Head, link, verify
from bailiwick.ledger.payload import NO_PAYLOAD, commitment, join, split
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of

__all__ = [
    "EMPTY",
    "GENESIS",
    "NO_PAYLOAD",
    "Entry",
    "Head",
    "Ledger",
    "Past",
    "Sealed",
    "commitment",
    "join",
    "link",
    "past_of",
    "split",
    "verify",
]
