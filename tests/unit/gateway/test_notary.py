"""The notary: when it signs, where it anchors, and that nothing of it stops anybody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from bailiwick.effects import Attestation
from bailiwick.errors import LedgerUnavailable
from bailiwick.gateway import Notary
from bailiwick.ledger import Ledger, Place, SigningKey, check, newest_attestation, prove
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing import VirtualClock, run
from bailiwick.testing.ledger_records import intent

KEY = SigningKey(b"k" * 32)
CLOCK = VirtualClock()


class Counted:
    """A ledger whose appends a notary hears of."""

    def __init__(self, places: tuple[Place, ...] = (), ledger: Ledger | None = None, every_entries: int = 10) -> None:
        self.ledger = ledger or MemoryLedger()
        self.notary = Notary(self.ledger, KEY, CLOCK, places, every_entries=every_entries)
        self._number = self.ledger.head().seq

    def append(self, entries: int, *, together: bool = False) -> None:
        records = [intent(self._number + nth) for nth in range(entries)]
        self._number += entries
        for batch in [records] if together else [[record] for record in records]:
            self.ledger.append(*batch)
            self.notary.note(len(batch))

    @property
    def signed(self) -> list[int]:
        return [entry.record.seq for entry in self.ledger.entries() if isinstance(entry.record, Attestation)]


def within(scenario: Callable[[Counted], Awaitable[None]], *places: Place) -> Counted:
    counted: list[Counted] = []

    async def whole() -> None:
        counted.append(Counted(places))
        await scenario(counted[0])
        await counted[0].notary.close()

    run(whole())
    return counted[0]


def test_the_head_is_signed_each_time_so_many_entries_were_appended() -> None:
    async def scenario(counted: Counted) -> None:
        counted.append(25)
        assert counted.signed == [10, 21]
        counted.append(20, together=True)
        assert counted.signed == [10, 21, 47]

    found = within(scenario)
    assert [check(entry.record) for entry in found.ledger.entries() if isinstance(entry.record, Attestation)] == [None] * 3
    assert prove(found.ledger, keys=[KEY.public]).tail == 0


def test_the_first_entry_after_a_file_was_put_aside_is_followed_by_a_signature_over_all_of_the_file(tmp_path: Path) -> None:
    async def scenario() -> list[int]:
        ledger = SqliteLedger.open(tmp_path / "ledger.sqlite", segment_entries=0)
        assert isinstance(ledger, SqliteLedger)
        counted = Counted(ledger=ledger, every_entries=100)
        counted.append(5)
        assert await ledger.rotate()
        await ledger.barrier()
        counted.append(2)
        await ledger.barrier()
        signed = counted.signed
        await ledger.close()
        return signed

    assert run(scenario()) == [6]


def test_what_is_left_is_signed_at_the_end_once() -> None:
    async def scenario(counted: Counted) -> None:
        counted.append(3)
        await counted.notary.close()
        assert counted.signed == [3]

    assert within(scenario).signed == [3]


def test_a_record_to_which_nothing_was_added_gets_no_signature() -> None:
    async def scenario(counted: Counted) -> None:
        counted.append(3)
        await counted.notary.close()
        await Notary(counted.ledger, KEY, CLOCK).close()

    assert within(scenario).signed == [3]


def test_an_empty_record_is_not_signed() -> None:
    async def scenario(_: Counted) -> None:
        pass

    assert within(scenario).ledger.head().seq == 0


def test_what_a_killed_process_left_unsigned_is_signed_by_the_next() -> None:
    async def scenario(counted: Counted) -> None:
        for number in range(3):
            counted.ledger.append(intent(number))

    assert within(scenario).signed == [3]


def test_nothing_waits_longer_than_a_minute_for_a_signature() -> None:
    async def scenario(counted: Counted) -> None:
        counted.append(1)
        await CLOCK.sleep(timedelta(seconds=59))
        counted.append(1)
        assert counted.signed == []
        await CLOCK.sleep(timedelta(seconds=2))
        assert counted.signed == [2]
        await CLOCK.sleep(timedelta(hours=1))
        assert counted.signed == [2]
        counted.append(1)
        await CLOCK.sleep(timedelta(seconds=61))
        assert counted.signed == [2, 4]

    within(scenario)


def test_a_signature_after_so_many_entries_does_not_end_the_minute() -> None:
    async def scenario(counted: Counted) -> None:
        counted.append(11)
        assert counted.signed == [10]
        await CLOCK.sleep(timedelta(seconds=61))
        assert counted.signed == [10, 12]
        counted.append(10)
        assert counted.signed == [10, 12, 23]

    within(scenario)


def test_every_signature_is_kept_in_every_place(tmp_path: Path) -> None:
    places = (Place(str(tmp_path / "one")), Place(str(tmp_path / "other")))

    async def scenario(counted: Counted) -> None:
        counted.append(25)

    found = within(scenario, *places)
    for place in places:
        assert [anchor.seq for anchor in place.read().attestations] == found.signed == [10, 21, 27]
    assert [(kept.upto, kept.problem) for kept in found.notary.standing.anchors] == [(27, ""), (27, "")]
    assert found.notary.standing.signed == 27
    prove(found.ledger, anchors={place.name: place.read().attestations for place in places})


def test_an_anchor_is_never_ahead_of_what_is_durable(tmp_path: Path) -> None:
    """Or the next crash would look like an end that was cut off."""
    place = Place(str(tmp_path / "anchors"))

    class Slow(MemoryLedger):
        def __init__(self) -> None:
            super().__init__()
            self.durable = False

        async def barrier(self) -> None:
            assert not place.path.exists()
            await CLOCK.sleep(timedelta(seconds=5))
            self.durable = True

    async def whole() -> None:
        ledger = Slow()
        counted = Counted((place,), ledger)
        counted.append(10)
        await CLOCK.sleep(timedelta(seconds=4))
        assert not place.path.exists()
        await CLOCK.sleep(timedelta(seconds=2))
        assert ledger.durable

    run(whole())


def test_a_place_that_fails_is_logged_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    there, gone = Place(str(tmp_path / "there")), Place(str(tmp_path / "unmounted" / "anchors"))

    async def scenario(counted: Counted) -> None:
        for _ in range(3):
            counted.append(10)
            await CLOCK.sleep(timedelta(seconds=1))
        assert [kept.problem for kept in counted.notary.standing.anchors] == ["", "No such file or directory"]
        (tmp_path / "unmounted").mkdir()
        counted.append(1)

    found = within(scenario, there, gone)
    assert [anchor.seq for anchor in gone.read().attestations] == found.signed[-1:]
    assert [kept.problem for kept in found.notary.standing.anchors] == ["", ""]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "unmounted" in warnings[0].getMessage()
    assert KEY.public.hex() not in warnings[0].getMessage()


def test_a_place_that_hangs_holds_up_nobody_but_the_end_and_that_not_for_long(tmp_path: Path) -> None:
    there, hung = Place(str(tmp_path / "there")), Place(str(tmp_path / "hung"))
    freed = threading.Event()
    hung.put = lambda attestation: freed.wait() and None  # type: ignore[method-assign]
    found: list[Counted] = []

    async def whole() -> None:
        counted = Counted((hung, there))
        found.append(counted)
        counted.append(25)
        started_ns = CLOCK.monotonic_ns()
        await counted.notary.close()
        assert CLOCK.monotonic_ns() - started_ns <= timedelta(seconds=6).total_seconds() * 1e9

    try:
        run(whole(), patience=timedelta(milliseconds=50))
    finally:
        freed.set()
    assert [anchor.seq for anchor in there.read().attestations] == found[0].signed
    assert found[0].notary.standing.anchors[0].problem == "it did not answer for 5 s"


def test_a_record_that_cannot_be_written_says_so_where_it_is_closed(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    async def whole() -> None:
        counted = Counted((Place(str(tmp_path / "anchors")),))
        counted.append(10)
        counted.append(1)
        await counted.ledger.close()
        await CLOCK.sleep(timedelta(minutes=2))  # The minute's signature meets the closed ledger, and does not take the process down.
        with pytest.raises(LedgerUnavailable):
            await counted.notary.close()

    run(whole())
    assert not caplog.records
    assert not (tmp_path / "anchors").exists()


def test_the_newest_signature_is_found_from_the_end() -> None:
    async def scenario(counted: Counted) -> None:
        assert newest_attestation(counted.ledger) is None
        counted.append(11)
        for number in range(5_000):
            counted.ledger.append(intent(10_000 + number))
        newest = newest_attestation(counted.ledger)
        assert newest is not None
        assert newest.seq == 10

    within(scenario)
