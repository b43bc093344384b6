"""Files that are put aside: moved away, lost, damaged, read meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bailiwick.effects import Intent
from bailiwick.errors import CorruptLedger, DuplicateIntent, LedgerUnavailable
from bailiwick.ids import EffectId
from bailiwick.ledger import EMPTY, Head, Past, Sealed, Segmented, prove, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger, rotation, whereabouts, writer
from bailiwick.testing.ledger_records import agent, effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records
from tests.faults.segments import asides, reading, segments, work

EFFECTS = 10
LENGTH = 3 * EFFECTS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.sqlite"


@pytest.fixture
def filled(path: Path) -> Path:
    """Thirty entries, closed: three segments of nine, and three entries in the file that is written."""

    async def fill() -> None:
        for first in range(0, EFFECTS, 3):
            ledger = SqliteLedger.open(path, segment_entries=0)
            assert isinstance(ledger, Segmented)
            assert await ledger.rotate() == bool(first)
            await work(ledger, range(first, min(first + 3, EFFECTS)))
            await ledger.close()  # So that the index of each segment has all of it.

    asyncio.run(fill())
    assert [(found.first, found.last) for found in segments(path)] == [(1, 9), (10, 18), (19, 27), (28, 30)]
    return path


def edit(path: Path, *statements: str) -> None:
    """As somebody with a SQLite shell would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_segment_that_was_moved_away_is_missed_only_by_those_who_need_it(filled: Path, tmp_path: Path) -> None:
    cold = asides(filled)[0].rename(tmp_path / "cold")
    reader = reading(filled)
    assert reader.head().seq == LENGTH
    assert len(list(reader.entries(9))) == LENGTH - 9
    assert verify(reader.entries(9), head_of(filled, 9)) == reader.head()
    assert reader.find(effect(9)) == Past(intent(9, arguments=b"argument 9"), outcome(9, value=b"value 9"), 29)
    assert reader.last_seal(agent(1)) == Sealed(30, seal(1, b"state 9"))
    assert [segment.size_bytes is None for segment in reader.segments()] == [True, False, False, False]
    for ask in (lambda: list(reader.entries()), lambda: list(reader.entries(8)), lambda: reader.find(effect(0))):
        with pytest.raises(LedgerUnavailable, match=r"entries 1 to 9 are in this segment, and it is not here") as caught:
            ask()
        assert (caught.value.facts["first"], caught.value.facts["last"]) == (1, 9)
    with pytest.raises(LedgerUnavailable):
        prove(reader)
    cold.rename(filled.with_suffix(".segments") / "000000000001-000000000009.sqlite")
    assert verify(reader.entries()) == reader.head()
    asyncio.run(reader.close())


def head_of(path: Path, seq: int) -> Head:
    """What the file that is written knows of the segment that ends there."""
    with closing(sqlite3.connect(path)) as connection:
        return Head(*connection.execute("SELECT last, hash FROM segments WHERE last = ?", (seq,)).fetchone())


def test_without_a_segment_effects_that_it_may_hold_are_refused_and_others_go_on(filled: Path) -> None:
    asides(filled)[0].unlink()

    async def scenario() -> None:
        ledger = SqliteLedger.open(filled)
        head = ledger.head()
        with pytest.raises(LedgerUnavailable, match="is not here"):
            ledger.append(intent(0))  # It is in that segment, and must not be begun again.
        assert ledger.head() == head
        with pytest.raises(LedgerUnavailable, match="is not here"):
            await ledger.erase([1, 30])
        assert ledger.append(young := intent_of_a_younger_root()) == LENGTH + 1
        await ledger.close()
        again = reading(filled)
        assert again.find(young.id) == Past(young, None, 0)
        assert next(again.entries(29)).payload != b""
        await again.close()

    asyncio.run(scenario())


def intent_of_a_younger_root() -> Intent:
    return msgspec.structs.replace(intent(1), id=EffectId(effect(1).replace("0123456789ab", "0123456789ac")))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda found: edit(found[0], "UPDATE entries SET body = CAST(replace(body, 'probe', 'Probe') AS BLOB) WHERE seq = 4"), 4),
        (lambda found: edit(found[1], "DELETE FROM entries WHERE seq = 18"), 18),
        (lambda found: edit(found[1], "DELETE FROM entries"), 10),
        (lambda found: shutil.copy(found[1], found[0]), 1),
    ],
    ids=["a body edited", "the last row deleted", "all rows deleted", "another segment in its place"],
)
def test_verify_finds_what_was_changed_in_a_segment(filled: Path, damage: Callable[[list[Path]], None], found: int) -> None:
    damage(asides(filled))
    reader = reading(filled)
    with pytest.raises(CorruptLedger) as caught:
        verify(reader.entries())
    assert caught.value.facts["seq"] == found
    asyncio.run(reader.close())


def test_a_history_that_forgets_its_first_segment_is_found(filled: Path) -> None:
    asides(filled)[0].unlink()
    edit(filled, "DELETE FROM segments WHERE first = 1")
    reader = reading(filled)
    with pytest.raises(CorruptLedger, match="entry 1 is missing"):
        prove(reader)
    asyncio.run(reader.close())


@pytest.mark.parametrize("missing", [False, True], ids=["an older copy", "no file"])
def test_a_file_that_is_older_than_its_segments_is_not_appended_to(path: Path, missing: bool) -> None:
    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=9)
        await work(ledger, range(2))
        await ledger.close()
        old = path.read_bytes()
        ledger = SqliteLedger.open(path, segment_entries=9)
        await work(ledger, range(2, 6))
        await ledger.close()
        path.unlink()
        if not missing:
            path.write_bytes(old)
        before = sorted((found.name, found.read_bytes()) for found in path.parent.rglob("*.sqlite") if found != path)
        with pytest.raises(CorruptLedger, match="restore it from a"):
            SqliteLedger.open(path)
        assert sorted((found.name, found.read_bytes()) for found in path.parent.rglob("*.sqlite") if found != path) == before

    asyncio.run(scenario())


# Put aside later


def test_a_file_that_cannot_be_put_aside_grows_on_until_it_can(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=9)
        assert isinstance(ledger, Segmented)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rotation, "migrate", full)
            await work(ledger, range(5))
        assert "could not be put aside, and grows on" in caplog.text
        assert len(ledger.segments()) == 1
        await work(ledger, range(5, 7))
        assert len(ledger.segments()) == 2
        assert verify(ledger.entries()) == ledger.head() != EMPTY
        await ledger.close()

    asyncio.run(scenario())


def test_a_slow_reader_puts_it_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "_BUSY_MS", 1)

    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=0)
        assert isinstance(ledger, Segmented)
        await work(ledger, range(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as slow:
            slow.execute("BEGIN")
            assert slow.execute("SELECT count(*) FROM entries").fetchone() == (3,)
            await work(ledger, range(1, 2))
            assert not await ledger.rotate()
            assert slow.execute("SELECT count(*) FROM entries").fetchone() == (3,)
        assert await ledger.rotate()
        assert not await ledger.rotate()  # It has no entries yet.
        assert [(found.first, found.last) for found in ledger.segments()] == [(1, 6), (7, 6)]
        await work(ledger, range(2, 3))
        assert verify(ledger.entries()) == ledger.head()
        await ledger.close()

    asyncio.run(scenario())


def test_readers_see_all_of_it_while_files_are_put_aside(path: Path) -> None:
    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=7)
        await work(ledger, range(1))
        ending = threading.Event()
        problems: list[BaseException] = []
        looked = [0, 0]

        def look(which: int) -> None:
            try:
                reader = reading(path)
                while not ending.is_set():
                    before = reader.head()
                    found = verify(reader.entries())
                    assert found.seq >= before.seq
                    past, sealed = reader.find(effect(0)), reader.last_seal(agent(0))
                    assert past is not None
                    assert past.outcome == outcome(0, value=b"value 0")
                    assert sealed is not None
                    if which:  # A new one each time: it opens the files just while they change.
                        asyncio.run(reader.close())
                        reader = reading(path)
                    looked[which] += 1
                asyncio.run(reader.close())
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=look, args=(which,)) for which in (0, 1)]
        for thread in threads:
            thread.start()
        await work(ledger, range(1, 150))
        while min(looked) < 3 and not problems:
            await asyncio.sleep(0.001)
        ending.set()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(records(ledger)) == 450
        assert isinstance(ledger, Segmented)
        assert len(ledger.segments()) > 40
        await ledger.close()

    asyncio.run(scenario())


def test_what_the_index_does_not_have_yet_is_found_across_files(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is filed: everything in the segments is read again when the ledger is opened."""
    monkeypatch.setattr(writer.Writer, "_file", lambda *_: None)

    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=4)
        await work(ledger, range(6))
        await ledger.close()
        assert rows(path, "SELECT upto FROM indexed") == [(0,)]
        reader = reading(path)
        ledger = SqliteLedger.open(path, segment_entries=4)
        for number in range(6):
            for asked in (reader, ledger):
                found = asked.find(effect(number))
                assert found is not None
                assert found.outcome == outcome(number, value=b"value %d" % number)
                assert asked.last_seal(agent(1)) == Sealed(18, seal(1, b"state 5"))
        await ledger.close()
        await reader.close()

    asyncio.run(scenario())


def rows(path: Path, sql: str) -> list[object]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_an_outcome_far_behind_its_intent_is_found_by_its_newest_row(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 3)
    monkeypatch.setattr(writer, "SLICE", 1)

    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=5)
        ledger.append(intent(77))
        await work(ledger, range(8))
        ledger.append(outcome(77))
        await work(ledger, range(8, 16))
        for _ in range(2):
            assert ledger.find(effect(77)) == Past(intent(77), outcome(77), 26)
            with pytest.raises(DuplicateIntent):
                ledger.append(outcome(77))
            reader = reading(path)
            assert reader.find(effect(77)) == Past(intent(77), outcome(77), 26)
            await reader.close()
            await ledger.close()
            ledger = SqliteLedger.open(path, segment_entries=5)
        await ledger.close()

    asyncio.run(scenario())


def test_the_child_of_a_fork_leaves_segments_alone(filled: Path) -> None:
    async def scenario() -> None:
        ledger = SqliteLedger.open(filled)
        assert len(records(ledger)) == LENGTH
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:  # pragma: no cover -- in another process
            try:
                ledger.append(intent(500))
            except LedgerUnavailable:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert len(records(ledger)) == LENGTH
        await ledger.close()

    asyncio.run(scenario())
