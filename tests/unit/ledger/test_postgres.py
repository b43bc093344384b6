"""Streams, readers, damage and settings. What crashes leave is in tests/faults."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import LiteralString

import pytest

from bailiwick import session as open_session
from bailiwick.bailiff import load, read_ledger
from bailiwick.effects import Seal
from bailiwick.errors import BadInput, CorruptLedger, DuplicateIntent, Fenced, LedgerUnavailable, NotFound
from bailiwick.ids import AgentId
from bailiwick.ledger import Past, Sealed, verify
from bailiwick.ledger.backends.postgres import PostgresLedger, PostgresReader, whereabouts
from bailiwick.ledger.backends.postgres import ledger as postgres_ledger
from bailiwick.ledger.backends.postgres.session import Session
from bailiwick.ledger.backends.postgres.streams import key
from bailiwick.testing.ledger_records import agent, attempt, effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records
from tests.postgres import schema_of, server, url_of


def opened(where: Path, stream: str = "main") -> PostgresLedger:
    ledger = PostgresLedger.open(url_of(where), stream=stream)
    assert isinstance(ledger, PostgresLedger)
    return ledger


# Streams


def test_streams_are_chains_of_their_own_that_do_not_wait_for_each_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        here, there = opened(tmp_path, "here"), opened(tmp_path, "there")
        here.append(intent(1))
        there.append(intent(2), outcome(2))
        with server().connect(schema_of(tmp_path)) as connection, connection.transaction():
            connection.execute("SELECT 1 FROM streams WHERE name = 'here' FOR UPDATE")
            await there.barrier()
        await here.barrier()
        assert records(here) == [intent(1)]
        assert records(there) == [intent(2), outcome(2)]
        assert [(found.name, found.epoch, found.head) for found in here.streams()] == [("here", 1, here.head()), ("there", 1, there.head())]
        for ledger in (here, there):
            assert verify(ledger.entries()) == ledger.head()
            await ledger.close()

    asyncio.run(scenario())


def test_an_agent_that_moved_to_another_host_finds_its_past_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        here, there = opened(tmp_path, "here"), opened(tmp_path, "there")
        there.append(intent(9))
        here.append(intent(1), outcome(1))
        here.append(intent(2), attempt(2, 2))
        here.append(seal(0, b"old"))
        await here.barrier()
        assert there.last_seal(agent(0)) == Sealed(5, seal(0, b"old"))
        assert there.find(effect(1)) == Past(intent(1), outcome(1), 2)
        assert there.find(effect(2)) == Past(intent(2), None, 0, attempt(2, 2))
        with pytest.raises(DuplicateIntent):
            there.append(intent(1))
        with pytest.raises(DuplicateIntent):
            there.append(outcome(1))
        there.append(attempt(2, 3))
        there.append(outcome(2, value=b"moved"))
        there.append(seal(0, b"new"))
        past = Past(intent(2), outcome(2, value=b"moved"), 3, attempt(2, 3))
        assert there.find(effect(2)) == past
        assert there.last_seal(agent(0)) == Sealed(4, seal(0, b"new"))
        await there.barrier()
        assert here.find(effect(2)) == there.find(effect(2)) == past
        assert here.last_seal(agent(0)) == Sealed(4, seal(0, b"new"))
        for ledger in (here, there):
            await ledger.close()

    asyncio.run(scenario())


def test_two_incarnations_of_an_agent_cannot_both_record_one_effect(tmp_path: Path) -> None:
    """Neither sees the other's intent in time; the database refuses the second, before anything acts on it."""

    async def scenario() -> None:
        here, there = opened(tmp_path, "here"), opened(tmp_path, "there")
        here.append(intent(1))
        there.append(intent(1), seal(3, b"never"))
        await here.barrier()
        with pytest.raises(Fenced, match="is on record in stream `here`") as caught:
            await there.barrier()
        assert caught.value.facts["other"] == "here"
        assert records(here) == [intent(1)]
        assert list(there.entries()) == []
        await here.close()
        with pytest.raises(Fenced):
            await there.close()

    asyncio.run(scenario())


def test_what_a_host_begins_alone_is_known_to_be_new_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question for each tree of runs, and one for each effect once another host has a part in it."""
    monkeypatch.setattr(whereabouts, "ALONE_NS", 10**15)
    asked: list[object] = []
    for name in ("query", "look_up"):
        counted = _counting(getattr(Session, name), asked)
        monkeypatch.setattr(Session, name, counted)

    async def scenario() -> None:
        here, there = opened(tmp_path, "here"), opened(tmp_path, "there")
        asked.clear()
        for number in range(50):
            assert here.find(effect(number)) is None
            here.append(intent(number), outcome(number))
        await here.barrier()
        assert len(asked) == 1
        asked.clear()
        for number in range(100, 150):
            assert there.find(effect(number)) is None
            there.append(intent(number), outcome(number))
        await there.barrier()
        assert len(asked) == 100  # Whether it is alone with the tree, which it is not, and for the effect.
        for ledger in (here, there):
            await ledger.close()

    asyncio.run(scenario())


def _counting(method: Callable[..., object], calls: list[object]) -> Callable[..., object]:
    def counted(self: Session, *given: object) -> object:
        calls.append(given)
        return method(self, *given)

    return counted


def test_what_is_sealed_under_no_agents_id_belongs_to_the_stream(tmp_path: Path) -> None:
    """Such as what each host's gateway keeps for itself."""
    notes = AgentId("agt_notes")

    async def scenario() -> None:
        here, there = opened(tmp_path, "here"), opened(tmp_path, "there")
        here.append(Seal(agent=notes, state=b"of here"))
        await here.barrier()
        assert there.last_seal(notes) is None
        there.append(Seal(agent=notes, state=b"of there"))
        await there.barrier()
        assert here.last_seal(notes) == Sealed(1, Seal(agent=notes, state=b"of here"))
        reader = PostgresReader(url_of(tmp_path), stream="there")
        assert reader.last_seal(notes) == Sealed(1, Seal(agent=notes, state=b"of there"))
        for ledger in (here, there, reader):
            await ledger.close()

    asyncio.run(scenario())


# Reading ahead


def test_a_run_that_is_gone_through_again_is_read_by_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    effects = 1_000
    asked: list[int] = []
    query = Session.query

    def count(self: Session, sql: LiteralString, *values: object) -> list[tuple[object, ...]]:
        asked.append(1)
        return query(self, sql, *values)

    async def scenario() -> None:
        ledger = opened(tmp_path)
        for number in range(effects):
            ledger.append(intent(number), outcome(number, value=b"%d" % number))
        ledger.append(intent(effects))
        await ledger.close()
        again = opened(tmp_path)
        monkeypatch.setattr(Session, "query", count)
        for number in range(effects):
            assert again.find(effect(number)) == Past(intent(number), outcome(number, value=b"%d" % number), 2 * number + 2)
        assert again.find(effect(effects)) == Past(intent(effects), None, 0)
        assert len(asked) < effects / 20
        await again.erase([2 * effects - 1])  # It was read ahead before.
        past = again.find(effect(effects - 1))
        assert past is not None
        assert past.outcome == outcome(effects - 1, value=b"%d" % (effects - 1))
        assert await again.erase([2 * effects]) == 1
        past = again.find(effect(effects - 1))
        assert past is not None
        assert past.erased
        assert past.outcome == outcome(effects - 1)
        again.append(outcome(effects))
        assert again.find(effect(effects)) == Past(intent(effects), outcome(effects), 2 * effects + 2)
        await again.close()

    asyncio.run(scenario())


# Readers


def test_a_reader_needs_a_log_and_a_stream_and_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing has been recorded here yet"):
        PostgresReader(url_of(tmp_path))

    async def scenario() -> None:
        ledger = opened(tmp_path, "here")
        ledger.append(intent(1), seal(1, b"mind"))
        await ledger.barrier()
        with pytest.raises(NotFound, match="no stream `main` in this log; there are: `here`"):
            PostgresReader(url_of(tmp_path))
        reader = PostgresLedger.open(url_of(tmp_path), stream="here", read_only=True)
        assert records(reader) == [intent(1), seal(1, b"mind")]
        assert reader.head() == ledger.head()
        assert reader.find(effect(1)) == Past(intent(1), None, 0)
        assert reader.last_seal(agent(1)) == Sealed(2, seal(1, b"mind"))
        with pytest.raises(LedgerUnavailable, match="for reading only"):
            reader.append(intent(2))
        with pytest.raises(LedgerUnavailable, match="for reading only"):
            await reader.erase([1])
        server().terminate(schema_of(tmp_path))
        assert reader.find(effect(2)) is None  # Over a new connection.
        ledger.append(intent(2))
        await ledger.barrier()
        assert ledger.stream.epoch == 1
        await reader.barrier()
        await reader.close()
        with pytest.raises(LedgerUnavailable, match="is closed"):
            reader.head()
        await ledger.close()

    asyncio.run(scenario())


# Damage, and other people's databases


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET body = body || 'x'::bytea WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE streams SET hash = decode(repeat('00', 32), 'hex')",
        "UPDATE streams SET seq = 2",
    ],
)
def test_damage_at_the_end_of_a_stream_is_found_when_it_is_opened(tmp_path: Path, damage: str) -> None:
    async def scenario() -> None:
        ledger = opened(tmp_path)
        ledger.append(intent(1), outcome(1), intent(2))
        await ledger.close()

    asyncio.run(scenario())
    with server().connect(schema_of(tmp_path)) as connection:
        connection.execute(damage)
    with pytest.raises(CorruptLedger, match="restore the database from a copy"):
        opened(tmp_path)


def test_tables_of_another_program_are_left_alone(tmp_path: Path) -> None:
    url_of(tmp_path)
    with server().connect(schema_of(tmp_path)) as connection:
        connection.execute("CREATE TABLE entries (guest text)")
    with pytest.raises(CorruptLedger, match="is not a ledger"):
        opened(tmp_path)
    with server().connect(schema_of(tmp_path)) as connection:
        assert connection.execute("SELECT to_regclass('streams')").fetchone() == (None,)
        assert connection.execute("SELECT to_regclass('schema_version')").fetchone() == (None,)


@pytest.mark.parametrize("url", ["", "host=x password=geheim =", "geheim"])
def test_what_is_no_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(BadInput, match="postgresql://USER@HOST/DATABASE") as caught:
        Session(url)
    assert "geheim" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_no_message_shows_the_password() -> None:
    with pytest.raises(LedgerUnavailable) as caught:
        PostgresLedger.open("postgresql://me:geheim@/nowhere?host=/tmp/bailiwick-no-such-place")
    assert caught.value.message.startswith("postgresql:///tmp/bailiwick-no-such-place/nowhere: the record cannot be reached")
    assert "geheim" not in repr(caught.value) + repr(caught.value.facts)


def test_an_erased_payload_is_in_no_row_and_the_vacuum_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vacuumed: list[int] = []
    vacuum = postgres_ledger.PostgresLedger._vacuum

    def count(self: PostgresLedger) -> None:
        vacuum(self)
        vacuumed.append(1)

    monkeypatch.setattr(postgres_ledger.PostgresLedger, "_vacuum", count)

    async def scenario() -> None:
        ledger = opened(tmp_path)
        ledger.append(intent(1, arguments=b"the secret"))
        assert await ledger.erase([1]) == 1
        assert await ledger.erase([1]) == 0
        with server().connect(schema_of(tmp_path)) as connection:
            rows = connection.execute("SELECT entries::text FROM entries").fetchall()
        assert b"the secret".hex() not in str(rows)
        await ledger.close()

    asyncio.run(scenario())
    assert vacuumed == [1]


# Settings


def test_settings_choose_it_and_readers_find_it(tmp_path: Path) -> None:
    settings = {"ledger": "postgres", "postgres_url": url_of(tmp_path), "stream": "laptop"}

    async def scenario() -> None:
        async with open_session(**settings):
            pass

    asyncio.run(scenario())
    environment = {f"BAILIWICK_{name.upper()}": value for name, value in settings.items()}
    reader = read_ledger(load(environment))
    assert isinstance(reader, PostgresReader)
    assert [stream.name for stream in reader.streams()] == ["laptop"]
    assert verify(reader.entries()) == reader.head()
    assert reader.head().seq > 0
    asyncio.run(reader.close())


def test_a_database_that_nobody_named_is_asked_for() -> None:
    with pytest.raises(BadInput, match="set `postgres_url` \\(BAILIWICK_POSTGRES_URL\\)"):
        read_ledger(load({"BAILIWICK_LEDGER": "postgres"}))


def test_without_psycopg_one_line_says_what_to_install() -> None:
    program = "import sys; sys.modules['psycopg'] = None\nimport bailiwick.ledger.backends.postgres"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    said = done.stderr.strip().splitlines()[-1]
    assert said.endswith("a ledger in PostgreSQL needs psycopg, which is not installed: pip install 'bailiwick[postgres]'")
    assert said.startswith("bailiwick.errors.BadInput")


def test_commits_wait_for_the_disk_whatever_the_servers_default_is(tmp_path: Path) -> None:
    for chosen, kept in (("off", "on"), ("remote_apply", "remote_apply"), ("local", "local")):
        session = Session(url_of(tmp_path).replace("options=", f"options=-csynchronous_commit%3D{chosen}%20"))
        assert session.query("SHOW synchronous_commit") == [(kept,)]
        session.close()


# Keys


def test_two_ids_never_have_one_key() -> None:
    digits = "0123456789ab" + "cd" * 10
    assert key(f"eff_{digits}") == bytes.fromhex(digits)
    others = [f"eff_{digits.upper()}", f"eff_{digits[:-2]} c", f"eff_{digits[:-1]}", f"eff_{digits}0", "eff_", ""]
    keys = {key(any_id) for any_id in others}
    assert len(keys) == len(others)
    assert all(len(found) > 16 for found in keys)
