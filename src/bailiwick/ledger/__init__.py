"""The record: an append-only, hash-chained log of what was asked and what came of it (invariants 1, 2 and 8)."""

from bailiwick.ledger.anchors import Anchored, Place, as_line
from bailiwick.ledger.attest import SigningKey, attest, can_sign, check, read_public_key
from bailiwick.ledger.branch import BranchLedger
from bailiwick.ledger.chain import EMPTY, GENESIS, Entry, Head, link, verify, walk
from bailiwick.ledger.payload import NO_PAYLOAD, commitment, join, split
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of
from bailiwick.ledger.prove import Proof, holds, newest_attestation, prove
from bailiwick.ledger.segmented import Segment, Segmented
from bailiwick.ledger.shared import Shared, Stream

__all__ = [
    "EMPTY",
    "GENESIS",
    "NO_PAYLOAD",
    "Anchored",
    "BranchLedger",
    "Entry",
    "Head",
    "Ledger",
    "Past",
    "Place",
    "Proof",
    "Sealed",
    "Segment",
    "Segmented",
    "Shared",
    "SigningKey",
    "Stream",
    "as_line",
    "attest",
    "can_sign",
    "check",
    "commitment",
    "holds",
    "join",
    "link",
    "newest_attestation",
    "past_of",
    "prove",
    "read_public_key",
    "split",
    "verify",
    "walk",
]
