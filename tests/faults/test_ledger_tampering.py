"""Somebody with the ledger's file in hand, and what gives them away: the chain, the pinned key, or an anchor kept elsewhere.

Each attack says what finds it. Where that is the key or an anchor, the test also shows that the weaker evidence does not.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from bailiwick import codec
from bailiwick.effects import Attestation, Erasure, Outcome, Record, Status
from bailiwick.errors import CorruptLedger
from bailiwick.gateway import Notary
from bailiwick.ledger import GENESIS, Head, Place, Proof, SigningKey, attest, commitment, link, prove
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.ledger_records import intent, outcome

KEY = SigningKey(b"k" * 32)
THIEF = SigningKey(b"t" * 32)
EVERY_ENTRIES = 10
PAIRS = 20
ERASED = 4
"""The entry whose payload was taken out, as entry 7 says."""


@dataclass(frozen=True)
class Row:
    """One entry as a SQLite shell shows it."""

    body: bytes
    payload: bytes | None
    erased: bytes | None
    seq: int = 0
    hash: bytes = b""

    @property
    def record(self) -> Record:
        return codec.decode(self.body, Record)

    def saying(self, record: Record) -> Row:
        return replace(self, body=codec.encode(record))


Rows = list[Row]
Attack = Callable[[Rows], Rows]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Twenty effects with their outcomes, one payload erased, signed every ten entries and at the end, and anchored."""

    async def fill() -> None:
        ledger = SqliteLedger.open(tmp_path / "ledger.sqlite")
        notary = Notary(ledger, KEY, VirtualClock(), [Place(str(tmp_path / "anchors.jsonl"))], every_entries=EVERY_ENTRIES)
        for number in range(PAIRS):
            ledger.append(intent(number, arguments=b"asked %d" % number))
            notary.note(1)
            ledger.append(outcome(number, value=b"answered %d" % number))
            notary.note(1)
            if number == 2:
                await ledger.barrier()
                (tmp_path / "payload").write_bytes(rows_of(tmp_path)[ERASED - 1].payload or b"")
                ledger.append(Erasure(seqs=(ERASED,), who="ada", why="asked to"))
                notary.note(1)
                await ledger.erase([ERASED])
        await notary.close()
        await ledger.close()

    run(fill())
    return tmp_path


def rows_of(home: Path) -> Rows:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection:
        found = connection.execute("SELECT body, payload, erased, seq, hash FROM entries ORDER BY seq").fetchall()
    return [Row(*row) for row in found]


def write(home: Path, rows: Sequence[Row]) -> None:
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection, connection:
        connection.execute("DELETE FROM entries")
        connection.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?, ?)", [(row.seq, row.hash, row.body, row.payload, row.erased) for row in rows]
        )


def chained(rows: Sequence[Row], signer: SigningKey | None = None) -> Rows:
    """Numbers and hashes computed anew, as anybody can; with ``signer`` the signatures too."""
    made: Rows = []
    head = Head(0, GENESIS)
    for row in rows:
        record = row.record
        if isinstance(record, Attestation) and signer is not None:
            row = row.saying(attest(signer, head, record.at_ns))
        committed = row.erased or commitment(row.payload or b"")
        head = Head(head.seq + 1, link(head.hash, row.body, committed))
        made.append(replace(row, seq=head.seq, hash=head.hash))
    return made


def proven(home: Path, *, keys: Sequence[SigningKey] = (), anchored: bool = False, must_be_signed: bool = False) -> Proof:
    reader = SqliteLedger.open(home / "ledger.sqlite", read_only=True)
    place = Place(str(home / "anchors.jsonl"))
    anchors = {"elsewhere": place.read().attestations} if anchored else None
    try:
        return prove(reader, keys=[key.public for key in keys], anchors=anchors, must_be_signed=must_be_signed)
    finally:
        asyncio.run(reader.close())


def edited(rows: Rows, seq: int, **changes: object) -> Rows:
    return [replace(row, **changes) if row.seq == seq else row for row in rows]  # pyright: ignore[reportArgumentType]


def a_body_is_edited(rows: Rows) -> Rows:
    return edited(rows, 5, body=rows[4].body.replace(b"probe", b"Probe"))


def a_payload_is_edited(rows: Rows) -> Rows:
    return edited(rows, 5, payload=(rows[4].payload or b"")[:-1] + b"?")


def an_outcome_says_it_failed(rows: Rows) -> Rows:
    record = rows[5].record
    assert isinstance(record, Outcome)
    return edited(rows, 6, body=codec.encode(msgspec.structs.replace(record, status=Status.FAILED)))


def an_entry_is_dropped(rows: Rows) -> Rows:
    return [row for row in rows if row.seq != 9]


def an_entry_is_dropped_and_the_rest_moved_up(rows: Rows) -> Rows:
    return [row if row.seq < 9 else replace(row, seq=row.seq - 1) for row in rows if row.seq != 9]


def two_entries_change_places(rows: Rows) -> Rows:
    return [*rows[:5], replace(rows[6], seq=6), replace(rows[5], seq=7), *rows[7:]]


def two_payloads_change_places(rows: Rows) -> Rows:
    return edited(edited(rows, 6, payload=rows[8].payload), 9, payload=rows[5].payload)


def a_payload_is_put_where_one_was_erased(rows: Rows) -> Rows:
    return edited(rows, ERASED, payload=bytes(16) + b"never said")


def a_payload_is_put_in_the_place_of_an_erased_one(rows: Rows) -> Rows:
    return edited(rows, ERASED, payload=bytes(16) + b"never said", erased=None)


def what_stands_for_an_erased_payload_is_edited(rows: Rows) -> Rows:
    return edited(rows, ERASED, erased=commitment(b"another"))


def a_payload_is_taken_out_quietly(rows: Rows) -> Rows:
    return edited(rows, 6, payload=None, erased=commitment(rows[5].payload or b""))


def an_edit_is_chained_anew(rows: Rows) -> Rows:
    return chained(a_body_is_edited(rows))


def an_edit_is_chained_anew_and_old_signatures_fitted_to_it(rows: Rows) -> Rows:
    made: Rows = []
    for row in chained(a_body_is_edited(rows)):
        record, before = row.record, made[-1] if made else None
        if isinstance(record, Attestation) and before is not None:
            row = row.saying(msgspec.structs.replace(record, hash=before.hash))
        made = chained([*made, row])
    return made


def an_older_signature_stands_in_for_a_newer(rows: Rows) -> Rows:
    signatures = [row for row in rows if isinstance(row.record, Attestation)]
    return chained([row for row in rows if row.seq <= signatures[1].seq - 1] + [signatures[0]])


def an_edit_is_signed_by_another_key(rows: Rows) -> Rows:
    return chained(a_body_is_edited(rows), THIEF)


def all_signatures_are_taken_out(rows: Rows) -> Rows:
    return chained([row for row in a_body_is_edited(rows) if not isinstance(row.record, Attestation)])


def the_end_is_cut_off(rows: Rows) -> Rows:
    return rows[:-3]


def the_end_is_cut_off_right_behind_a_signature(rows: Rows) -> Rows:
    last = max(row.seq for row in rows[:-1] if isinstance(row.record, Attestation))
    return rows[:last]


def the_end_is_replaced(rows: Rows) -> Rows:
    first = next(row.seq for row in rows if isinstance(row.record, Attestation))
    return chained([*rows[:first], *(row for row in rows[first:] if not isinstance(row.record, Attestation) and row.seq != 20)])


def everything_is_cut_off(rows: Rows) -> Rows:
    return []


def the_thief_has_the_key(rows: Rows) -> Rows:
    return chained(a_body_is_edited(rows), KEY)


BY_THE_CHAIN = [
    (a_body_is_edited, "entry 5 was edited"),
    (a_payload_is_edited, "entry 5 was edited"),
    (an_outcome_says_it_failed, "entry 6 was edited"),
    (an_entry_is_dropped, "entry 9 is missing"),
    (an_entry_is_dropped_and_the_rest_moved_up, "entry 9 was edited"),
    (two_entries_change_places, "entry 6 was edited"),
    (two_payloads_change_places, "entry 6 was edited"),
    (a_payload_is_put_where_one_was_erased, "entry 4 was edited"),
    (a_payload_is_put_in_the_place_of_an_erased_one, "entry 4 was edited"),
    (what_stands_for_an_erased_payload_is_edited, "entry 4 was edited"),
    (a_payload_is_taken_out_quietly, "the payload of entry 6 was taken out, and no erasure on record says so"),
    (an_edit_is_chained_anew, "entry 11 signs another history"),
    (an_edit_is_chained_anew_and_old_signatures_fitted_to_it, "entry 11 is forged"),
    (an_older_signature_stands_in_for_a_newer, "signs another history"),
]
BY_THE_KEY = [
    (an_edit_is_signed_by_another_key, "entry 11 is signed by another key than expected"),
    (all_signatures_are_taken_out, "none of 41 entries is signed"),
]
BY_AN_ANCHOR = [
    (the_end_is_cut_off, "the end was cut off: elsewhere says 45 entries, there are 43"),
    (the_end_is_cut_off_right_behind_a_signature, "the end was cut off: elsewhere says 45 entries, there are 44"),
    (everything_is_cut_off, "the end was cut off"),
    (the_end_is_replaced, "history was rewritten after entry 10 and before entry 22: elsewhere"),
    (the_thief_has_the_key, "history was rewritten before entry 11: elsewhere"),
]


def test_an_untouched_record_is_proven_by_everything(home: Path) -> None:
    found = proven(home, keys=[KEY], anchored=True, must_be_signed=True)
    assert (found.head.seq, found.attestations, found.tail, found.erased, found.unerased) == (46, 5, 0, 1, ())
    assert found.newest is not None
    assert found.newest.seq == found.anchored["elsewhere"] == 45
    assert (found.keys, found.checked) == ((KEY.public,), True)


@pytest.mark.parametrize(("attack", "found"), BY_THE_CHAIN, ids=[attack.__name__ for attack, _ in BY_THE_CHAIN])
def test_the_record_itself_shows_it(home: Path, attack: Attack, found: str) -> None:
    write(home, attack(rows_of(home)))
    with pytest.raises(CorruptLedger, match=found):
        proven(home)


@pytest.mark.parametrize(("attack", "found"), BY_THE_KEY, ids=[attack.__name__ for attack, _ in BY_THE_KEY])
def test_only_who_knows_the_key_sees_it(home: Path, attack: Attack, found: str) -> None:
    write(home, attack(rows_of(home)))
    proven(home)
    with pytest.raises(CorruptLedger, match=found):
        proven(home, keys=[KEY], must_be_signed=True)


@pytest.mark.parametrize(("attack", "found"), BY_AN_ANCHOR, ids=[attack.__name__ for attack, _ in BY_AN_ANCHOR])
def test_only_what_was_kept_elsewhere_shows_it(home: Path, attack: Attack, found: str) -> None:
    write(home, attack(rows_of(home)))
    proven(home, keys=[KEY])
    with pytest.raises(CorruptLedger, match=found):
        proven(home, keys=[KEY], anchored=True)


def test_anchors_pin_the_key_where_nobody_names_one(home: Path) -> None:
    """The thief changed the key in `home` too, so that is no help."""
    write(home, an_edit_is_signed_by_another_key(rows_of(home)))
    with pytest.raises(CorruptLedger, match="the anchor for entry 10 in elsewhere is signed by another key than expected"):
        proven(home, keys=[THIEF], anchored=True)
    with pytest.raises(CorruptLedger, match="history was rewritten before entry 11"):
        proven(home, anchored=True)


def test_an_erased_payload_that_is_put_back_as_it_was_is_no_lie_and_is_told(home: Path) -> None:
    """The chain cannot object: this is what stood there. That it was to be gone is on record, so the proof names it."""
    rows = rows_of(home)
    assert commitment((home / "payload").read_bytes()) == rows[ERASED - 1].erased
    write(home, edited(rows, ERASED, payload=(home / "payload").read_bytes(), erased=None))
    found = proven(home, keys=[KEY], anchored=True)
    assert (found.erased, found.unerased) == (0, (ERASED,))


def test_what_came_after_the_last_signature_can_be_cut_off_unseen(home: Path) -> None:
    """Nothing vouches for it yet. A process that ends well leaves nothing unsigned; one that is killed, a minute's worth at most."""

    async def one_more() -> None:
        ledger = SqliteLedger.open(home / "ledger.sqlite")
        ledger.append(intent(100), outcome(100))
        await ledger.close()

    asyncio.run(one_more())
    assert proven(home, keys=[KEY], anchored=True).tail == 2
    write(home, rows_of(home)[:-1])
    assert proven(home, keys=[KEY], anchored=True).tail == 1


def test_the_next_signature_covers_what_a_killed_process_left(home: Path) -> None:
    async def next_process() -> None:
        ledger = SqliteLedger.open(home / "ledger.sqlite")
        ledger.append(intent(100), outcome(100))
        await ledger.close()
        ledger = SqliteLedger.open(home / "ledger.sqlite")
        await Notary(ledger, KEY, VirtualClock(), every=timedelta(hours=1)).close()
        await ledger.close()

    run(next_process())
    assert proven(home, keys=[KEY]).tail == 0


def test_an_anchor_that_was_edited_is_forged(home: Path) -> None:
    place = home / "anchors.jsonl"
    place.write_text(place.read_text().replace('"seq":45', '"seq":44'))
    with pytest.raises(CorruptLedger, match="the anchor for entry 44 in elsewhere is forged"):
        proven(home, anchored=True)
