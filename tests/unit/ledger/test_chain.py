from __future__ import annotations

from hashlib import sha256

import pytest

from bailiwick.errors import CorruptLedger
from bailiwick.ledger import EMPTY, GENESIS, NO_PAYLOAD, Entry, Head, link, verify
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing.ledger_records import intent, outcome, seal


def chain(length: int = 6) -> list[Entry]:
    ledger = MemoryLedger()
    for number in range(length // 2):
        ledger.append(intent(number))
        ledger.append(outcome(number))
    return list(ledger.entries())


def test_the_hash_is_sha256_of_the_previous_hash_and_the_body() -> None:
    assert link(GENESIS, b"body") == sha256(bytes(32) + NO_PAYLOAD + b"body").digest()


def test_a_sound_chain_leads_to_its_head() -> None:
    entries = chain()
    assert verify(entries) == Head(6, entries[-1].hash)
    assert verify([]) == EMPTY
    assert verify(entries[4:], Head(4, entries[3].hash)) == Head(6, entries[-1].hash)


def test_an_edited_body_is_found_where_it_stands() -> None:
    entries = chain()
    entries[3] = Entry(seq=4, hash=entries[3].hash, body=entries[3].body[:-1] + b"\x00")
    with pytest.raises(CorruptLedger, match="entry 4 was edited") as caught:
        verify(entries)
    assert caught.value.facts["seq"] == 4


def test_an_edit_that_mends_its_own_hash_is_found_one_later() -> None:
    entries = chain()
    body = entries[3].body[:-1] + b"\x00"
    entries[3] = Entry(seq=4, hash=link(entries[2].hash, body), body=body)
    with pytest.raises(CorruptLedger) as caught:
        verify(entries)
    assert caught.value.facts["seq"] in (4, 5)


def test_a_missing_entry_is_named() -> None:
    entries = chain()
    del entries[2]
    with pytest.raises(CorruptLedger, match="entry 3 is missing") as caught:
        verify(entries)
    assert caught.value.facts["seq"] == 3


def test_two_entries_that_changed_places_are_found() -> None:
    entries = chain()
    swapped = [Entry(seq=2, hash=entries[2].hash, body=entries[2].body), Entry(seq=3, hash=entries[1].hash, body=entries[1].body)]
    with pytest.raises(CorruptLedger, match="entry 2 was edited, or stands where another stood"):
        verify([entries[0], *swapped, *entries[3:]])


def test_a_body_that_holds_no_record_is_corrupt() -> None:
    entry = Entry(seq=1, hash=link(GENESIS, b"\xc1"), body=b"\xc1")
    with pytest.raises(CorruptLedger, match="entry 1 does not hold a record"):
        verify([entry])


def test_an_entry_gives_back_the_record_it_was_made_of() -> None:
    ledger = MemoryLedger()
    ledger.append(seal(1, b"state"))
    assert next(ledger.entries()).record == seal(1, b"state")
