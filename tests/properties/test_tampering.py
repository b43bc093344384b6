"""Whatever is done to the entries of a signed and anchored record, the proof finds it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.effects import Attestation, Erasure
from bailiwick.errors import CorruptLedger
from bailiwick.ledger import GENESIS, Entry, Head, SigningKey, attest, commitment, link, prove
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_records import intent, outcome

KEY = SigningKey(b"k" * 32)


def _signed() -> tuple[list[Entry], list[Attestation]]:
    ledger = MemoryLedger()
    anchors: list[Attestation] = []
    for number in range(12):
        ledger.append(intent(number, arguments=b"asked"), outcome(number, value=b"answered"))
        if number == 5:
            ledger.append(Erasure(seqs=(3, 4)))
            asyncio.run(ledger.erase([3, 4]))
        if number % 4 == 3:
            anchors.append(attest(KEY, ledger.head(), number))
            ledger.append(anchors[-1])
    return list(ledger.entries()), anchors


ENTRIES, ANCHORS = _signed()
LAST = len(ENTRIES)
PLACES = st.integers(0, LAST - 1)


class Held(MemoryLedger):
    """A ledger that holds these entries, whatever they are."""

    def __init__(self, entries: list[Entry]) -> None:
        super().__init__()
        self._held = entries

    def entries(self, after: int = 0) -> Iterator[Entry]:
        return iter(self._held[after:])


def found(entries: list[Entry]) -> None:
    with pytest.raises(CorruptLedger):
        prove(Held(entries), keys=[KEY.public], anchors={"elsewhere": ANCHORS})


def chained(entries: list[Entry]) -> list[Entry]:
    """Numbers and hashes computed anew."""
    made: list[Entry] = []
    last = Head(0, GENESIS)
    for entry in entries:
        last = Head(last.seq + 1, link(last.hash, entry.body, entry.erased or commitment(entry.payload)))
        made.append(msgspec.structs.replace(entry, seq=last.seq, hash=last.hash))
    return made


def test_what_was_not_touched_is_proven() -> None:
    proof = prove(Held(ENTRIES), keys=[KEY.public], anchors={"elsewhere": ANCHORS}, must_be_signed=True)
    assert (proof.head.seq, proof.tail, proof.erased) == (LAST, 0, 2)
    assert chained(ENTRIES) == ENTRIES


@given(PLACES, st.sampled_from(["hash", "body", "payload", "erased"]), st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_found(place: int, part: str, where: int, change: int) -> None:
    before: bytes = getattr(ENTRIES[place], part)
    where %= len(before) + 1
    after = before[:where] + bytes([(before[where] if where < len(before) else 0) ^ change]) + before[where + 1 :]
    found([*ENTRIES[:place], msgspec.structs.replace(ENTRIES[place], **{part: after}), *ENTRIES[place + 1 :]])


@given(st.permutations(range(LAST)), st.booleans())
def test_another_order_is_found(order: list[int], anew: bool) -> None:
    if order[:-1] != sorted(order)[:-1]:
        entries = [ENTRIES[place] for place in order]
        found(chained(entries) if anew else entries)


@given(st.sets(PLACES, min_size=1), st.booleans())
def test_what_is_left_out_is_found(places: set[int], anew: bool) -> None:
    """All but the last signature by itself, which is kept elsewhere."""
    if places != {LAST - 1}:
        entries = [entry for place, entry in enumerate(ENTRIES) if place not in places]
        found(chained(entries) if anew else entries)


@given(st.integers(0, LAST - 2), PLACES, st.booleans())
def test_what_is_put_in_is_found(where: int, which: int, anew: bool) -> None:
    entries = [*ENTRIES[:where], ENTRIES[which], *ENTRIES[where:]]
    found(chained(entries) if anew else entries)
