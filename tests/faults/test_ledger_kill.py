"""Real processes, really killed."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bailiwick.effects import Intent, Outcome, Seal
from bailiwick.errors import LedgerUnavailable
from bailiwick.ledger import verify
from bailiwick.ledger.backends.sqlite import SqliteLedger
from bailiwick.testing.ledger_records import effect, intent
from bailiwick.testing.ledger_suite import records
from tests.faults.ledger_writer import opened
from tests.postgres import url_of

WRITER = Path(__file__).with_name("ledger_writer.py")
KILLS = 12


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may be: a file, and a database."""
    return str(tmp_path / "ledger.sqlite") if request.param == "sqlite" else url_of(tmp_path)


@contextmanager
def writer(place: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes the ledger at ``place``; killed at the end of the block at the latest."""
    with subprocess.Popen([sys.executable, str(WRITER), str(place)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line == b"open\n", process.stderr.read().decode()
            yield process
        finally:
            process.kill()
            process.wait()


def acknowledged(process: subprocess.Popen[bytes], at_least: int) -> dict[int, int]:
    """What the writer has acknowledged when it is killed: where each effect's intent stands."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(at_least)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith(b"\n")]
    return {int(number): int(seq) for seq, number in whole}


def test_twelve_kills_lose_nothing_that_was_acknowledged(place: str) -> None:
    chance = random.Random(8)
    promised: dict[int, int] = {}
    for _ in range(KILLS):
        with writer(place) as process:
            promised |= acknowledged(process, chance.randrange(1, 300))
        reader = opened(place, read_only=True)
        entries = list(reader.entries())
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert verify(entries) == reader.head()
        standing = {entry.record.id: entry.seq for entry in entries if isinstance(entry.record, Intent)}
        assert {number: standing.get(effect(number)) for number in promised} == promised
        asyncio.run(reader.close())
    assert len(promised) > KILLS * 20


def test_an_outcome_and_its_seal_are_never_torn_apart(place: str) -> None:
    seen = 0
    for count in (80, 120, 160):
        with writer(place) as process:
            acknowledged(process, count)
        reader = opened(place, read_only=True)
        found = records(reader)
        asyncio.run(reader.close())
        outcomes = [place for place, record in enumerate(found) if isinstance(record, Outcome)]
        seen += len(outcomes)
        assert all(isinstance(found[place + 1], Seal) for place in outcomes)
    assert seen > 50


def test_a_second_writer_is_refused_while_the_first_lives_and_let_in_when_it_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with writer(path) as process:
        with pytest.raises(LedgerUnavailable, match=f"process {process.pid} is writing it") as caught:
            SqliteLedger.open(path)
        assert caught.value.facts == {"path": str(path), "pid": process.pid}

    async def next_one() -> None:
        ledger = SqliteLedger.open(path)
        ledger.append(intent(10**6))
        await ledger.barrier()
        await ledger.close()

    asyncio.run(next_one())


def test_the_child_of_a_fork_neither_writes_the_parents_ledger_nor_keeps_its_lock(place: str) -> None:
    async def parent() -> None:
        ledger = opened(place)
        ledger.append(intent(1))
        await ledger.barrier()
        go, told = os.pipe()
        heard, tell = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Later Pythons advise against what this test is about.
            child = os.fork()
        if child == 0:  # pragma: no cover -- in another process
            try:
                ledger.append(intent(2))
            except LedgerUnavailable as error:
                os.write(tell, error.message.encode())
            os.read(go, 1)  # Stays alive until the parent has closed, and a third has opened.
            os._exit(0)
        try:
            assert select.select([heard], [], [], 20)[0]
            assert f"was opened by process {os.getpid()}, which forked this one" in os.read(heard, 1000).decode()
            ledger.append(intent(3))
            await ledger.barrier()
            await ledger.close()
            again = opened(place)
            assert records(again) == [intent(1), intent(3)]
            await again.close()
        finally:
            os.write(told, b"\n")
            os.waitpid(child, 0)
            for fd in (go, told, heard, tell):
                os.close(fd)

    asyncio.run(parent())
