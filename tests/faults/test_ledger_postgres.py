"""Servers that stop in the middle, connections that are cut, and writers whose time is over."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from bailiwick.effects import Intent, Outcome
from bailiwick.errors import Fenced, LedgerUnavailable
from bailiwick.ledger import verify
from bailiwick.ledger.backends.postgres import PostgresLedger, whereabouts, writer
from bailiwick.testing.ledger_records import effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records
from tests.postgres import Server, running, schema_of, server, url_of

PRODUCERS = 40
SHORT = timedelta(milliseconds=50)


def opened(where: Path, stream: str = "main", patience: timedelta = timedelta(seconds=30)) -> PostgresLedger:
    ledger = PostgresLedger.open(url_of(where), stream=stream, patience=patience)
    assert isinstance(ledger, PostgresLedger)
    return ledger


@pytest.fixture(scope="module")
def fragile() -> Iterator[Server]:
    """A server that tests may stop, since no other test uses it."""
    server()  # Skips where there is none.
    with running() as found:
        yield found


class Load:
    """Producers that append until they are told to stop, and what was acknowledged to them."""

    def __init__(self, ledger: PostgresLedger) -> None:
        self.ledger = ledger
        self.promised: dict[int, int] = {}
        self.over = False
        self._numbers = itertools.count(ledger.head().seq)

    async def produce(self) -> None:
        while not self.over:
            number = next(self._numbers)
            seq = self.ledger.append(intent(number, arguments=bytes(number % 700)))
            await self.ledger.barrier()
            self.promised[number] = seq
            self.ledger.append(outcome(number), seal(number % 7, b"%d" % number))

    async def until(self, acknowledged: int) -> None:
        while len(self.promised) < acknowledged:
            await asyncio.sleep(0.001)

    def check(self) -> None:
        """Nothing that was acknowledged is missing, nothing is there twice, and the chain holds."""
        entries = list(self.ledger.entries())
        assert verify(entries) == self.ledger.head()
        intents = [(record.id, entry.seq) for entry in entries if isinstance(record := entry.record, Intent)]
        assert len(dict(intents)) == len(intents)
        outcomes = [record.id for entry in entries if isinstance(record := entry.record, Outcome)]
        assert len(set(outcomes)) == len(outcomes)
        found = dict(intents)
        assert {number: found.get(effect(number)) for number in self.promised} == self.promised


async def under_load(ledger: PostgresLedger, disturb: object, times: int) -> Load:
    load = Load(ledger)
    producers = [asyncio.create_task(load.produce()) for _ in range(PRODUCERS)]
    for _ in range(times):
        await load.until(len(load.promised) + 150)
        await asyncio.to_thread(disturb)
    await load.until(len(load.promised) + 150)
    load.over = True
    await asyncio.gather(*producers)
    await ledger.barrier()
    load.check()
    return load


# The server


@pytest.mark.parametrize("copied_rows", [1, 1_000], ids=["copied", "in one statement"])
def test_a_server_that_crashes_and_comes_back_costs_nothing_but_time(
    fragile: Server, monkeypatch: pytest.MonkeyPatch, copied_rows: int
) -> None:
    monkeypatch.setattr(writer, "COPIED_ROWS", copied_rows)

    def crash() -> None:
        fragile.stop("immediate")
        fragile.start()

    async def scenario() -> None:
        ledger = PostgresLedger.open(fragile.url(f"crash{copied_rows}"))
        assert isinstance(ledger, PostgresLedger)
        await under_load(ledger, crash, 3)
        assert ledger.stream.epoch == 1
        await ledger.close()

    asyncio.run(scenario())


def test_a_server_that_stays_away_stops_the_ledger_and_loses_nothing_acknowledged(fragile: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "ALONE_NS", 10**12)  # However long it takes to stop the server, to append asks it nothing.

    async def scenario() -> None:
        ledger = PostgresLedger.open(fragile.url("away"), patience=SHORT)
        ledger.append(intent(1))
        await ledger.barrier()
        fragile.stop()
        try:
            ledger.append(intent(2))
            with pytest.raises(LedgerUnavailable, match="see that the server runs and can be reached") as caught:
                await ledger.barrier()
            assert "\n" not in caught.value.message
            with pytest.raises(LedgerUnavailable):
                list(ledger.entries())
            with pytest.raises(LedgerUnavailable, match="cannot be reached"):
                PostgresLedger.open(fragile.url_of("away"))
        finally:
            fragile.start()
        with pytest.raises(LedgerUnavailable):
            ledger.append(intent(3))
        assert records(ledger) == [intent(1)]  # What reads comes back by itself.
        with pytest.raises(LedgerUnavailable):
            await ledger.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("copied_rows", [1, 1_000], ids=["copied", "in one statement"])
def test_a_fail_over_to_a_copy_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch, copied_rows: int) -> None:
    """The server waits for the copy before it acknowledges; then it is gone, and the copy takes its place under load."""
    monkeypatch.setattr(writer, "COPIED_ROWS", copied_rows)
    server()  # Skips where there is none.
    with running("fsync=off") as first, first.standby() as second:
        first.url("moved")

        def fail_over() -> None:
            first.stop("immediate")
            second.promote()

        async def scenario() -> None:
            ledger = PostgresLedger.open(second.both("moved"))
            assert isinstance(ledger, PostgresLedger)
            await under_load(ledger, fail_over, 1)
            assert ledger.stream.epoch == 1
            await ledger.close()
            reader = PostgresLedger.open(second.url_of("moved").replace("host=", "port=5433&host="), read_only=True)
            assert verify(reader.entries()) == ledger.head()
            await reader.close()

        asyncio.run(scenario())


# The connection


def test_connections_cut_in_the_middle_of_batches_lose_and_double_nothing(tmp_path: Path) -> None:
    cut: list[int] = []

    async def scenario() -> None:
        ledger = opened(tmp_path)
        await under_load(ledger, lambda: cut.append(server().terminate(schema_of(tmp_path))), 12)
        await ledger.close()

    asyncio.run(scenario())
    assert sum(cut) >= 12


@pytest.mark.parametrize("copied_rows", [1, 1_000], ids=["copied", "in one statement"])
def test_a_batch_whose_acknowledgement_was_lost_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied_rows: int
) -> None:
    """The commit is done, and the connection is gone before the writer hears of it."""
    monkeypatch.setattr(writer, "COPIED_ROWS", copied_rows)
    lost: list[int] = []
    put = writer.Writer._put

    def put_and_lose(self: writer.Writer, connection: psycopg.Connection[tuple[object, ...]], rows: list[writer.Row]) -> None:
        put(self, connection, rows)
        if len(lost) < 3:
            lost.append(len(rows))
            connection.close()
            connection.execute("SELECT 1")

    monkeypatch.setattr(writer.Writer, "_put", put_and_lose)

    async def scenario() -> None:
        ledger = opened(tmp_path)
        for number in range(6):
            ledger.append(intent(number), outcome(number))
            await ledger.barrier()
        assert records(ledger) == [record for number in range(6) for record in (intent(number), outcome(number))]
        assert verify(ledger.entries()) == ledger.head()
        await ledger.close()

    asyncio.run(scenario())
    assert len(lost) == 3


def test_a_batch_that_still_runs_when_its_writer_sends_it_again_is_written_once(tmp_path: Path) -> None:
    """The network breaks, which the server does not notice: it has the first statement and the second, and a lock in front of both."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"

    async def until_waiting(connection: psycopg.Connection[tuple[object, ...]], statements: int) -> None:
        while connection.execute(waiting, (schema_of(tmp_path),)).fetchone() != (statements,):
            await asyncio.sleep(0.001)

    async def scenario() -> None:
        ledger = opened(tmp_path)
        ledger.append(intent(1))
        await ledger.barrier()
        with server().connect(schema_of(tmp_path)) as watcher, server().connect(schema_of(tmp_path)) as holder:
            with holder.transaction():
                holder.execute("SELECT 1 FROM streams FOR UPDATE")
                ledger.append(outcome(1), intent(2))
                barrier = asyncio.create_task(ledger.barrier())
                await until_waiting(watcher, 1)
                broken = ledger._writing._connection
                assert broken is not None
                with socket.socket(fileno=os.dup(broken.pgconn.socket)) as line:
                    line.shutdown(socket.SHUT_RDWR)
                await until_waiting(watcher, 2)
            await barrier
        assert records(ledger) == [intent(1), outcome(1), intent(2)]
        assert verify(ledger.entries()) == ledger.head()
        ledger.append(outcome(2))
        await ledger.close()

    asyncio.run(scenario())


def test_a_server_that_lost_what_it_acknowledged_is_found_out(tmp_path: Path) -> None:
    """As after a fail-over to a copy that lagged behind."""

    async def scenario() -> None:
        ledger = opened(tmp_path)
        for number in range(4):
            ledger.append(intent(number))
        await ledger.barrier()
        with server().connect(schema_of(tmp_path)) as connection:
            connection.execute("DELETE FROM entries WHERE seq > 2")
            connection.execute("UPDATE streams SET seq = 2, hash = (SELECT hash FROM entries WHERE seq = 2)")
        ledger.append(intent(5))
        with pytest.raises(LedgerUnavailable, match="the server has lost what it acknowledged") as caught:
            await ledger.barrier()
        assert caught.value.facts["seq"] == 2
        assert len(records(ledger)) == 2
        with pytest.raises(LedgerUnavailable):
            await ledger.close()

    asyncio.run(scenario())


# Fencing


def test_the_older_of_two_writers_is_fenced_off_and_writes_nothing_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        old = opened(tmp_path)
        old.append(intent(1))
        await old.barrier()
        new = opened(tmp_path)
        assert (old.stream.epoch, new.stream.epoch) == (1, 2)
        old.append(intent(2))
        waits = await asyncio.gather(old.barrier(), old.barrier(), return_exceptions=True)
        assert [type(found) for found in waits] == [Fenced, Fenced]
        with pytest.raises(Fenced, match="was opened by another writer") as caught:
            old.append(intent(3))
        assert caught.value.facts == {"stream": "main", "epoch": 1, "holder": 2}
        assert caught.value.leaves_open
        with pytest.raises(Fenced):
            await old.erase([1])
        new.append(outcome(1))
        await new.barrier()
        assert records(new) == [intent(1), outcome(1)]
        with pytest.raises(Fenced):
            await old.close()
        await new.close()

    asyncio.run(scenario())


def test_whoever_erases_is_fenced_off_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        old = opened(tmp_path)
        old.append(intent(1, arguments=b"kept"))
        await old.barrier()
        new = opened(tmp_path)
        with pytest.raises(Fenced):
            await old.erase([1])
        assert records(new) == [intent(1, arguments=b"kept")]
        with pytest.raises(Fenced):
            await old.close()
        await new.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("copied_rows", [1, 1_000], ids=["copied", "in one statement"])
def test_a_takeover_under_load_leaves_exactly_what_was_acknowledged_or_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied_rows: int
) -> None:
    monkeypatch.setattr(writer, "COPIED_ROWS", copied_rows)

    async def scenario() -> None:
        old = opened(tmp_path)
        load = Load(old)
        producers = [asyncio.create_task(load.produce()) for _ in range(PRODUCERS)]
        await load.until(300)
        new = await asyncio.to_thread(opened, tmp_path)
        at_takeover = new.head()
        assert {type(found) for found in await asyncio.gather(*producers, return_exceptions=True)} == {Fenced}
        load.ledger = new
        load.check()
        assert new.head() == at_takeover
        with pytest.raises(Fenced):
            await old.close()
        await new.close()

    asyncio.run(scenario())
