"""Looking at a ledger that others write, wrote, or are about to write."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bailiwick.errors import LedgerUnavailable
from bailiwick.ids import EffectId
from bailiwick.ledger import Ledger, Past, Sealed, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger, SqliteReader, whereabouts
from bailiwick.testing.ledger_records import agent, effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def names(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.iterdir())


def write(path: Path, work: Callable[[Ledger], Awaitable[None]]) -> None:
    async def whole() -> None:
        ledger = SqliteLedger.open(path)
        try:
            await work(ledger)
        finally:
            await ledger.close()

    asyncio.run(whole())


async def three(ledger: Ledger) -> None:
    ledger.append(intent(1), outcome(1))
    ledger.append(seal(0, b"mind"))
    await ledger.barrier()


def reading(path: Path) -> SqliteReader:
    found = SqliteLedger.open(path, read_only=True)
    assert isinstance(found, SqliteReader)
    return found


def test_a_reader_sees_what_is_durable_while_another_writes(path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        reader = reading(path)
        assert records(reader) == []
        for number in range(10):
            ledger.append(intent(number))
            ledger.append(outcome(number), seal(0, b"%d" % number))
            await ledger.barrier()
            assert reader.head() == ledger.head()
            assert reader.find(effect(number)) == Past(intent(number), outcome(number), 3 * number + 2)
            assert reader.last_seal(agent(0)) == Sealed(3 * number + 3, seal(0, b"%d" % number))
        assert records(reader) == records(ledger)
        assert verify(reader.entries()) == ledger.head()
        await reader.close()

    write(path, scenario)


def test_a_reader_finds_what_is_indexed_and_what_is_not_yet(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 7)

    async def scenario(ledger: Ledger) -> None:
        reader = reading(path)
        for number in range(20):
            ledger.append(intent(number), seal(number % 3, b"%d" % number))
            await ledger.barrier()
            if number >= 4:  # The index may have the intent already, the outcome comes much later.
                ledger.append(outcome(number - 4))
                await ledger.barrier()
            for earlier in range(number + 1):
                found = reader.find(effect(earlier))
                assert found is not None
                assert found.intent == intent(earlier)
                assert found.outcome == (outcome(earlier) if earlier <= number - 4 else None)
            for which in range(min(3, number + 1)):
                newest = max(n for n in range(number + 1) if n % 3 == which)
                sealed = reader.last_seal(agent(which))
                assert sealed is not None
                assert sealed.seal == seal(which, b"%d" % newest)
        await reader.close()

    write(path, scenario)


def test_an_effect_that_others_only_mention_is_not_found(path: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        ledger.append(intent(1, arguments=effect(2).encode()))
        ledger.append(seal(1, agent(2).encode()))
        await ledger.barrier()
        reader = reading(path)
        assert reader.find(effect(2)) is None
        assert reader.last_seal(agent(2)) is None
        assert reader.last_seal(agent(0)) is None
        await reader.close()

    write(path, scenario)


@pytest.mark.parametrize("open_meanwhile", [False, True], ids=["closed", "open"])
def test_a_reader_makes_no_file_and_leaves_none(path: Path, open_meanwhile: bool) -> None:
    def look() -> None:
        before = names(path)
        reader = reading(path)
        assert len(records(reader)) == 3
        assert names(path) == before
        asyncio.run(reader.close())
        assert names(path) == before

    async def scenario(ledger: Ledger) -> None:
        await three(ledger)
        if open_meanwhile:
            await asyncio.to_thread(look)

    write(path, scenario)
    look()


def test_a_reader_notices_that_a_closed_ledger_was_opened_and_written(path: Path) -> None:
    """It took the file for immutable; from then on it may not."""
    write(path, three)
    reader = reading(path)
    assert len(records(reader)) == 3
    half = reader.entries()
    assert next(half).seq == 1

    async def scenario(ledger: Ledger) -> None:
        ledger.append(outcome_of_two := intent(2), outcome(2))
        await ledger.barrier()
        assert reader.find(effect(2)) == Past(outcome_of_two, outcome(2), 5)
        assert reader.head() == ledger.head()

    write(path, scenario)
    assert [entry.seq for entry in half] == [2, 3]
    assert len(records(reader)) == 5

    async def more(ledger: Ledger) -> None:
        ledger.append(*(intent(number) for number in range(10, 500)))

    write(path, more)
    assert verify(reader.entries()).seq == 495
    asyncio.run(reader.close())


def test_a_writer_that_came_and_went_between_two_questions_is_noticed(path: Path) -> None:
    write(path, three)
    reader = reading(path)
    assert reader.head().seq == 3

    async def more(ledger: Ledger) -> None:
        ledger.append(*(intent(number, arguments=bytes(500)) for number in range(10, 500)))

    write(path, more)
    assert names(path) == ["ledger.sqlite", "ledger.sqlite.lock"]
    assert reader.head().seq == 493
    assert reader.find(effect(499)) == Past(intent(499, arguments=bytes(500)), None, 0)
    assert reader.find(EffectId("eff_of another form")) is None
    asyncio.run(reader.close())


def test_a_reader_does_not_write(path: Path) -> None:
    write(path, three)
    reader = reading(path)
    with pytest.raises(LedgerUnavailable, match="was opened for reading only"):
        reader.append(intent(5))
    asyncio.run(reader.barrier())
    asyncio.run(reader.close())
    asyncio.run(reader.close())
    with pytest.raises(LedgerUnavailable, match="is closed"):
        reader.head()


def test_a_ledger_on_a_disk_that_takes_no_writes_can_be_read(tmp_path: Path) -> None:
    where = tmp_path / "archive"
    where.mkdir()
    if os.geteuid() == 0:
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)], capture_output=True, check=False)
        if made.returncode:
            pytest.skip("mounting a disk is not allowed here")
    try:
        write(where / "ledger.sqlite", three)
        if os.geteuid() == 0:
            subprocess.run(["mount", "-o", "remount,ro", str(where)], check=True)
        else:
            where.chmod(0o500)
        reader = reading(where / "ledger.sqlite")
        assert len(records(reader)) == 3
        asyncio.run(reader.close())
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", str(where)], check=True)
        else:
            where.chmod(0o700)
