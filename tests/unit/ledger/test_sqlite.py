"""What is particular to the SQLite ledger: its index, its recovery, its lock."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from bailiwick.effects import Intent
from bailiwick.errors import DuplicateIntent, LedgerUnavailable
from bailiwick.ids import EffectId, effect_id, new_run_id
from bailiwick.ledger import Ledger, Past, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger, whereabouts, writer
from bailiwick.ledger.backends.sqlite.file import APPLICATION_ID, key, keys
from bailiwick.testing.ledger_records import agent, effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def write(path: Path, *works: Callable[[Ledger], Awaitable[None]]) -> None:
    """Each on the ledger opened anew."""

    async def whole() -> None:
        for work in works:
            ledger = SqliteLedger.open(path)
            try:
                await work(ledger)
            finally:
                await ledger.close()

    asyncio.run(whole())


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def small_shelves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 10)
    monkeypatch.setattr(writer, "SLICE", 3)


async def refuses_everything_again(ledger: Ledger, count: int) -> None:
    for number in range(count):
        with pytest.raises(DuplicateIntent):
            ledger.append(intent(number))
        with pytest.raises(DuplicateIntent):
            ledger.append(outcome(number))


def test_the_file_says_what_it_is_and_is_safe_from_power_cuts(path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        ledger.append(intent(1))
        await ledger.barrier()

    write(path, work)
    assert int.from_bytes(b"BAIL", "big") == APPLICATION_ID
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]


def test_the_index_catches_up_while_entries_come_in_and_on_closing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_shelves(monkeypatch)

    async def work(ledger: Ledger) -> None:
        for number in range(30):
            ledger.append(intent(number))
            await ledger.barrier()
            ledger.append(outcome(number), seal(number % 4, b"%d" % number))
            await ledger.barrier()
        assert 50 <= int(str(rows(path, "SELECT upto FROM indexed")[0][0])) < 90
        await refuses_everything_again(ledger, 30)

    write(path, work)
    assert rows(path, "SELECT upto FROM indexed") == [(90,)]
    assert rows(path, "SELECT count(*), sum(intent), sum(outcome) FROM effects") == [
        (30, sum(range(1, 90, 3)), sum(range(2, 90, 3))),
    ]
    assert rows(path, "SELECT seq FROM seals ORDER BY seq") == [(81,), (84,), (87,), (90,)]


def test_a_shelf_is_filed_before_the_next_is_full_however_fast_entries_come(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 50)
    monkeypatch.setattr(writer, "SLICE", 1)

    async def work(ledger: Ledger) -> None:
        for start in range(0, 400, 5):
            for number in range(start, start + 5):
                ledger.append(intent(number))
            await ledger.barrier()
            # One shelf to be filed, one to be filled, and a few batches until the one side has seen what the other did.
            assert int(str(rows(path, "SELECT upto FROM indexed")[0][0])) >= start - 2 * 50 - 3 * 5

    write(path, work)


def test_a_crash_while_the_index_catches_up_costs_nothing(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_shelves(monkeypatch)
    images: list[tuple[Path, int]] = []

    async def work(ledger: Ledger) -> None:
        for number in range(25):
            ledger.append(intent(number))
            ledger.append(outcome(number))
            await ledger.barrier()
            image = tmp_path / f"image{number}" / path.name
            image.parent.mkdir()
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{image}{suffix}")
            images.append((image, number + 1))

    write(path, work)
    reached: set[object] = set()

    for image, count in images:

        async def check(ledger: Ledger, image: Path = image, count: int = count) -> None:
            reached.add(rows(image, "SELECT upto FROM indexed")[0][0])
            await refuses_everything_again(ledger, count)
            assert ledger.find(effect(0)) == Past(intent(0), outcome(0), 2)
            assert ledger.find(effect(count - 1)) == Past(intent(count - 1), outcome(count - 1), 2 * count)
            ledger.append(intent(count), outcome(count))

        write(image, check)
    assert len(reached) > 3


def test_an_entry_shows_while_it_is_being_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, let = threading.Event(), threading.Event()
    really_write = writer.Writer.write

    def held(self: writer.Writer, items: list[writer.Rows]) -> int:
        reached.set()
        assert let.wait(10)
        return really_write(self, items)

    monkeypatch.setattr(writer.Writer, "write", held)

    async def work(ledger: Ledger) -> None:
        ledger.append(intent(1), outcome(1))
        wait = asyncio.create_task(ledger_barrier(ledger))
        assert await asyncio.to_thread(reached.wait, 10)
        ledger.append(intent(2))
        try:
            assert ledger.find(effect(1)) == Past(intent(1), outcome(1), 2)
            assert ledger.find(effect(2)) == Past(intent(2), None, 0)
            assert records(ledger) == []
        finally:
            let.set()
            await wait
        assert records(ledger) == [intent(1), outcome(1)]

    write(path, work)


async def ledger_barrier(ledger: Ledger) -> None:
    await ledger.barrier()


def test_an_outcome_finds_its_intent_wherever_that_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same shelf, on the one before, in the index, in the index of an earlier opening."""
    small_shelves(monkeypatch)

    async def before(ledger: Ledger) -> None:
        for number in range(40):
            ledger.append(intent(number))
            await ledger.barrier()

    async def after(ledger: Ledger) -> None:
        for number in range(40, 80):
            ledger.append(intent(number))
            await ledger.barrier()
        for number in range(80):
            ledger.append(outcome(number))
            await ledger.barrier()
            assert ledger.find(effect(number)) == Past(intent(number), outcome(number), 81 + number)
        await refuses_everything_again(ledger, 80)

    async def at_last(ledger: Ledger) -> None:
        await refuses_everything_again(ledger, 80)

    write(path, before, after, at_last)


def test_ids_of_any_form_are_told_apart(path: Path) -> None:
    digits = "0123456789abcdef" * 2
    names = [f"eff_{digits}", f"eff_{digits.upper()}", "eff_1", "eff_", "", f"eff_{digits[:-2]} a", "eff_ünïcode", f"eff_{digits}0"]
    assert len({key(name) for name in names}) == len(names)
    assert keys(names) == [key(name) for name in names]
    assert key(names[0]) == bytes.fromhex(digits)
    assert keys([effect(1), effect(2)]) == [bytes.fromhex(effect(1)[4:]), bytes.fromhex(effect(2)[4:])]
    assert keys([]) == []

    def named(name: str) -> Past:
        return Past(_renamed(name), None, 0)

    async def fill(ledger: Ledger) -> None:
        for name in names:
            assert ledger.find(EffectId(name)) is None
            ledger.append(_renamed(name))
            assert ledger.find(EffectId(name)) == named(name)

    async def check(ledger: Ledger) -> None:
        for name in names:
            assert ledger.find(EffectId(name)) == named(name)
            with pytest.raises(DuplicateIntent):
                ledger.append(_renamed(name))
        assert ledger.find(EffectId("eff_2")) is None

    write(path, fill, check)


def _renamed(name: str) -> Intent:
    return msgspec.structs.replace(intent(1), id=EffectId(name))


def test_effects_of_a_root_younger_than_the_file_are_not_looked_up_in_it(path: Path) -> None:
    """The common case, an effect nobody knows yet, costs no query; an old root's effects cost one."""
    asked: list[str] = []

    async def old(ledger: Ledger) -> None:
        ledger.append(intent(1))

    async def young(ledger: Ledger) -> None:
        assert isinstance(ledger, SqliteLedger)
        ledger._reading.set_trace_callback(asked.append)  # pyright: ignore[reportPrivateUsage]
        later = effect_id(new_run_id(2**41 * 10**6), "1")
        assert ledger.find(later) is None
        assert asked == []
        assert ledger.find(effect(2)) is None
        assert len(asked) == 1

    write(path, old, young)


def test_a_ledger_is_refused_to_a_second_opening_in_the_same_process(path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        with pytest.raises(LedgerUnavailable, match="is writing it"):
            SqliteLedger.open(path)
        ledger.append(intent(1))
        await ledger.barrier()

    write(path, work, work_again)
    assert rows(path, "SELECT count(*) FROM entries") == [(2,)]


async def work_again(ledger: Ledger) -> None:
    ledger.append(intent(2))


def test_directories_on_the_way_are_made_for_the_user_alone(tmp_path: Path) -> None:
    async def work(ledger: Ledger) -> None:
        ledger.append(intent(1))

    write(tmp_path / "state" / "home" / "ledger.sqlite", work)
    assert (tmp_path / "state" / "home").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["with space", "per%cent?mode=ro#1", "ünïcode"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    async def work(ledger: Ledger) -> None:
        ledger.append(intent(len(records(ledger))))

    write(tmp_path / name, work, work)
    reader = SqliteLedger.open(tmp_path / name, read_only=True)
    assert records(reader) == [intent(0), intent(1)]
    asyncio.run(reader.close())
    assert sorted(found.name for found in tmp_path.iterdir()) == [name, f"{name}.lock"]


def test_batches_of_every_size_are_written_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_ROWS", 8)

    async def work(ledger: Ledger) -> None:
        number = 0
        for size in [*range(1, 20), 64, 65, 127]:
            for _ in range(size):
                ledger.append(intent(number))
                number += 1
            await ledger.barrier()
            assert len(records(ledger)) == number
        assert verify(ledger.entries()) == ledger.head()

    write(path, work)


def test_a_ledger_opened_in_one_loop_serves_another(path: Path) -> None:
    ledger = SqliteLedger.open(path)
    ledger.append(intent(1))
    asyncio.run(ledger.barrier())
    ledger.append(outcome(1))
    asyncio.run(ledger.barrier())
    assert ledger.last_seal(agent(0)) is None
    asyncio.run(ledger.close())
    with pytest.raises(LedgerUnavailable, match="is closed"):
        list(ledger.entries())


def test_a_ledger_that_has_no_room_for_its_index_closes_well_and_knows_everything_when_opened_again(path: Path) -> None:
    def no_room(*_: object) -> None:
        raise LedgerUnavailable("no room")

    async def work(ledger: Ledger) -> None:
        assert isinstance(ledger, SqliteLedger)
        ledger.append(intent(1), outcome(1), seal(0, b"mind"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer.Writer, "_file", no_room)
            await ledger.close()

    async def again(ledger: Ledger) -> None:
        assert ledger.find(effect(1)) == Past(intent(1), outcome(1), 2)
        assert ledger.last_seal(agent(0)) is not None

    write(path, work, again)


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


async def use_the_log(ledger: Ledger, first: int = 0) -> None:
    """As much as it takes to be given its full length."""
    assert isinstance(ledger, SqliteLedger)
    for number in range(first, first + writer.BRIEF_PAGES):
        ledger.append(intent(number))
        await ledger.barrier()
    for _ in range(2):  # The second comes after the chores of the first.
        await ledger._commits.between(lambda: None)  # pyright: ignore[reportPrivateUsage]


def test_a_log_that_is_used_has_its_full_length_and_a_crash_then_loses_nothing(path: Path, tmp_path: Path) -> None:
    image = tmp_path / "image" / path.name

    async def work(ledger: Ledger) -> None:
        await use_the_log(ledger)
        length_bytes = log_of(path).stat().st_size
        assert length_bytes >= writer.LOG_BYTES
        await use_the_log(ledger, first=writer.BRIEF_PAGES)
        assert log_of(path).stat().st_size == length_bytes
        image.parent.mkdir()
        for file in (path, log_of(path)):
            shutil.copy(file, image.parent)

    async def recovered(ledger: Ledger) -> None:
        assert records(ledger) == [intent(number) for number in range(2 * writer.BRIEF_PAGES)]
        ledger.append(outcome(1))
        await ledger.barrier()

    async def sound(ledger: Ledger) -> None:
        assert verify(ledger.entries()) == ledger.head()

    write(path, work)
    write(image, recovered, sound)


def test_a_log_for_which_there_is_no_room_goes_on_growing_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    async def work(ledger: Ledger) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(writer.os, "fsync", full)
            await use_the_log(ledger)
        assert 0 < log_of(path).stat().st_size < writer.LOG_BYTES
        ledger.append(outcome(1))
        await ledger.barrier()

    write(path, work)
    assert rows(path, "SELECT count(*) FROM entries") == [(writer.BRIEF_PAGES + 1,)]
