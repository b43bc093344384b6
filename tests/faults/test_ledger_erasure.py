"""Payloads that are taken out of segments: gone from every file, also after a crash or a failure in the middle."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.effects import Erasure
from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import Ledger, Past, Segmented, prove, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger, erasing
from bailiwick.testing.ledger_records import effect, intent, outcome
from tests.faults.segments import asides, reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.sqlite"


async def big(path: Path, secret: bytes) -> Ledger:
    ledger = SqliteLedger.open(path, segment_entries=10)
    for number in range(20):
        ledger.append(intent(number, arguments=secret * 200))
        await ledger.barrier()
        ledger.append(outcome(number, value=b"kept"))
        await ledger.barrier()
    return ledger


def test_what_is_erased_is_in_no_file_and_the_room_comes_back(path: Path) -> None:
    secret = b"the patient's name "

    async def scenario() -> None:
        ledger = await big(path, secret)
        assert isinstance(ledger, Segmented)
        reader = reading(path)
        assert next(reader.entries()).payload.endswith(secret)
        sizes = {segment.first: segment.size_bytes or 0 for segment in ledger.segments()[:-1]}
        ledger.append(Erasure(seqs=tuple(range(1, 40, 2))))
        assert await ledger.erase([*range(1, 40, 2), 99]) == 20
        assert ledger.find(effect(0)) == Past(intent(0), outcome(0, value=b"kept"), 2, erased=True)
        assert ledger.find(effect(19)) == Past(intent(19), outcome(19, value=b"kept"), 40, erased=True)
        for asked in (ledger, reader):
            assert verify(asked.entries()) == ledger.head()
            assert prove(asked).erased == 20
            assert next(asked.entries()).payload == b""
        shrunk = {segment.first: segment.size_bytes or 0 for segment in ledger.segments() if segment.first in sizes}
        assert len(shrunk) == len(sizes) >= 3
        assert all(shrunk[first] < sizes[first] / 2 for first in sizes)
        assert [found for found in path.parent.rglob("*") if found.is_file() and secret in found.read_bytes()] == []
        await reader.close()
        await ledger.close()

        await SqliteLedger.open(path).close()  # A reader that stood still meanwhile kept an empty log from being removed.
        assert {found.suffix for found in asides(path)} == {".sqlite"}

    asyncio.run(scenario())


def test_an_erasure_that_was_interrupted_is_finished_by_the_next_who_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = b"the patient's name "

    async def scenario() -> None:
        ledger = await big(path, secret)
        await ledger.erase([])
        await ledger.close()
        # What a crash leaves between the commit and the writing of the log: a copy of both, with the log of the segment.
        segment = asides(path)[0]
        with closing(sqlite3.connect(segment, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("UPDATE entries SET payload = NULL, erased = x'00' WHERE seq = 1")
            log = Path(f"{segment}-wal").read_bytes()
            old = segment.read_bytes()
        segment.write_bytes(old)
        Path(f"{segment}-wal").write_bytes(log)
        (segment.parent / "000000000001-000000000010.sqlite.copy").write_bytes(secret)
        reader = reading(path)
        assert next(reader.entries()).payload == b""
        await reader.close()
        before = segment.read_bytes().count(secret)
        again = SqliteLedger.open(path)
        assert {found.suffix for found in asides(path)} == {".sqlite"}
        assert segment.read_bytes().count(secret) < before
        await again.close()

    asyncio.run(scenario())


def test_an_erasure_that_fails_in_the_middle_can_be_said_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        ledger = await big(path, b"x")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(erasing, "WORTH_COPYING", 0)
            patch.setattr(erasing, "write_anew", broken)
            with pytest.raises(LedgerUnavailable, match="no room"):
                await ledger.erase([1, 3, 11, 13, 39])
        assert verify(ledger.entries()) == ledger.head()
        await ledger.erase([1, 3, 11, 13, 39])
        assert [entry.seq for entry in ledger.entries() if entry.erased] == [1, 3, 11, 13, 39]
        ledger.append(intent(50))
        await ledger.close()

    asyncio.run(scenario())


def broken(*_: object) -> None:
    raise OSError(28, "no room")
