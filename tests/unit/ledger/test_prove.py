"""The proof itself: what it makes of records that are being written, and how little it checks twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import pytest

from bailiwick.effects import Attestation, Erasure
from bailiwick.errors import CorruptLedger
from bailiwick.ledger import Entry, Head, SigningKey, attest, check, holds, newest_attestation, prove
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_records import intent, outcome

KEY = SigningKey(b"k" * 32)
OTHER = SigningKey(b"o" * 32)


def sign(ledger: MemoryLedger, key: SigningKey = KEY) -> Attestation:
    attestation = attest(key, ledger.head(), at_ns=1)
    ledger.append(attestation)
    return attestation


def ledger_of(pairs: int) -> MemoryLedger:
    ledger = MemoryLedger()
    for number in range(pairs):
        ledger.append(intent(number, arguments=b"asked"), outcome(number, value=b"answered"))
    return ledger


def test_an_empty_record_is_whole() -> None:
    found = prove(MemoryLedger(), keys=[KEY.public])
    assert found.head == Head(0, bytes(32))
    assert (found.attestations, found.newest, found.tail, found.keys) == (0, None, 0, ())


def test_what_was_never_signed_is_all_tail() -> None:
    assert prove(ledger_of(2)).tail == 4


def test_a_payload_that_is_erased_during_the_walk_is_explained_after_it() -> None:
    """The entry was seen without its payload, and the erasure is behind the end that the walk goes to."""
    ledger = ledger_of(3)

    def meanwhile(entries: Iterator[Entry]) -> Iterator[Entry]:
        end = ledger.head().seq
        ledger.append(Erasure(seqs=(1,)))
        asyncio.run(ledger.erase([1]))
        return (entry for entry in list(entries)[:end])

    found = prove(ledger, watch=meanwhile)
    assert (found.head.seq, found.erased, found.unerased) == (6, 1, ())


def test_an_erasure_that_a_crash_cut_short_is_told() -> None:
    ledger = ledger_of(3)
    ledger.append(Erasure(seqs=(1, 4, 7, 99, -1)))
    asyncio.run(ledger.erase([1]))
    found = prove(ledger)
    assert (found.erased, found.unerased) == (1, (4,))


def test_all_keys_that_signed_are_named_in_order() -> None:
    ledger = ledger_of(1)
    sign(ledger, OTHER)
    sign(ledger)
    sign(ledger, OTHER)
    assert prove(ledger).keys == (OTHER.public, KEY.public)
    assert prove(ledger, keys=[KEY.public, OTHER.public]).attestations == 3
    with pytest.raises(CorruptLedger, match="entry 3 is signed by another key"):
        prove(ledger, keys=[KEY.public])


def test_of_signatures_close_together_the_first_and_the_last_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    monkeypatch.setitem(prove.__globals__, "check", lambda attestation: checked.append(attestation.seq) or check(attestation))
    ledger = ledger_of(1)
    for _ in range(700):
        sign(ledger)
    assert prove(ledger).attestations == 700
    assert checked == [2, 514, 701]


def test_a_forged_signature_at_the_end_is_found_however_close() -> None:
    ledger = ledger_of(1)
    sign(ledger)
    forged = msgspec.structs.replace(attest(OTHER, ledger.head(), 1), key=KEY.public)
    ledger.append(forged)
    with pytest.raises(CorruptLedger, match="entry 4 is forged"):
        prove(ledger, keys=[KEY.public])


def test_an_anchor_that_does_not_agree_is_checked_before_it_is_believed() -> None:
    ledger = ledger_of(2)
    good = sign(ledger)
    forged = msgspec.structs.replace(good, seq=2, hash=b"x" * 32)
    with pytest.raises(CorruptLedger, match="the anchor for entry 2 in there is forged"):
        prove(ledger, anchors={"there": [forged, good]})
    beyond = msgspec.structs.replace(good, seq=99)
    with pytest.raises(CorruptLedger, match="the anchor for entry 99 in there is forged"):
        prove(ledger, anchors={"there": [beyond, good]})


def test_each_place_is_told_how_far_it_agrees() -> None:
    ledger = ledger_of(2)
    first, _, third = sign(ledger), sign(ledger), sign(ledger)
    found = prove(ledger, anchors={"there": [first], "here": [third, first], "nowhere": []})
    assert found.anchored == {"there": 4, "here": 6, "nowhere": 0}


def test_what_was_signed_is_looked_up_without_a_walk() -> None:
    ledger = ledger_of(2)
    attestation = sign(ledger)
    assert holds(ledger, attestation)
    assert not holds(ledger, msgspec.structs.replace(attestation, hash=bytes(32)))
    assert not holds(ledger, msgspec.structs.replace(attestation, seq=99))
    assert newest_attestation(ledger) == attestation
    assert newest_attestation(MemoryLedger()) is None
