"""The record: an append-only, hash-chained log of what was asked and what came of it (invariants 1, 2 and 8)."""

from bailiwick.ledger.chain import EMPTY, GENESIS, Entry, Head, link, verify
from bailiwick.ledger.port import Ledger, Past, Sealed

__all__ = ["EMPTY", "GENESIS", "Entry", "Head", "Ledger", "Past", "Sealed", "link", "verify"]
