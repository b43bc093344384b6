"""The schema in PostgreSQL: made, brought up to date, left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bailiwick.errors import BadInput, LedgerUnavailable
from bailiwick.ledger import Past, Sealed, verify
from bailiwick.ledger.backends.postgres import PostgresLedger, PostgresReader, schema
from bailiwick.ledger.backends.postgres.session import Session
from bailiwick.testing.ledger_records import agent, attempt, effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records
from tests.postgres import schema_of, server, url_of

VERSION_1 = Path(__file__).with_name("postgres_1.sql")


def opened(where: Path, stream: str = "main") -> PostgresLedger:
    ledger = PostgresLedger.open(url_of(where), stream=stream)
    assert isinstance(ledger, PostgresLedger)
    return ledger


def _tables(where: Path) -> list[object]:
    """Columns, indexes and constraints."""
    name = schema_of(where)
    with server().connect() as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, is_identity, column_default FROM information_schema.columns"
            " WHERE table_schema = %s ORDER BY table_name, ordinal_position",
            (name,),
        ).fetchall()
        indexes = connection.execute("SELECT indexdef FROM pg_indexes WHERE schemaname = %s ORDER BY indexname", (name,)).fetchall()
    return [*columns, *(definition.replace(name, "") for (definition,) in indexes)]


def _version_1(where: Path) -> None:
    url_of(where)
    with server().connect(schema_of(where)) as connection:
        connection.execute(VERSION_1.read_text("utf-8"))


def test_the_first_migration_still_makes_the_first_version(tmp_path: Path) -> None:
    """What was released is not edited any more; what comes after it is a file of its own."""
    _version_1(tmp_path / "kept")
    session = Session(url_of(tmp_path / "made"))
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "0001.sql").write_text((schema.MIGRATIONS / "0001.sql").read_text("utf-8"), "utf-8")
    schema.migrate(session, folder)
    session.close()
    assert _tables(tmp_path / "made") == _tables(tmp_path / "kept")


def test_a_log_of_the_first_version_is_brought_up_to_date_and_goes_on(tmp_path: Path) -> None:
    _version_1(tmp_path)

    async def scenario() -> None:
        ledger = opened(tmp_path)
        assert ledger.stream.epoch == 3
        assert verify(ledger.entries()) == ledger.head()
        assert records(ledger) == [intent(1, arguments=b"one"), outcome(1), intent(2), attempt(2, 2), seal(0, b"mind")]
        assert ledger.find(effect(1)) == Past(intent(1, arguments=b"one"), outcome(1), 2)
        assert ledger.find(effect(2)) == Past(intent(2), None, 0, attempt(2, 2))
        assert ledger.last_seal(agent(0)) == Sealed(5, seal(0, b"mind"))
        assert ledger.append(outcome(2)) == 6
        await ledger.close()

    asyncio.run(scenario())
    asyncio.run(PostgresReader(url_of(tmp_path)).close())


def test_migrations_go_forward_one_after_another_or_not_at_all(tmp_path: Path) -> None:
    _version_1(tmp_path)
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001.sql").write_text("this was done long ago, and is not done again", "utf-8")
    (folder / "0002.sql").write_text("ALTER TABLE streams ADD COLUMN colour text; UPDATE streams SET colour = 'red'", "utf-8")
    (folder / "0003.sql").write_text("ALTER TABLE streams ADD COLUMN colour text", "utf-8")
    session = Session(url_of(tmp_path))
    before = _tables(tmp_path)
    with pytest.raises(LedgerUnavailable, match="already exists"):
        schema.migrate(session, folder)
    assert _tables(tmp_path) == before
    (folder / "0003.sql").write_text("ALTER TABLE streams RENAME COLUMN colour TO color", "utf-8")
    schema.migrate(session, folder)
    schema.migrate(session, folder)
    assert session.query("SELECT color FROM streams") == [("red",)]
    assert session.query("SELECT version FROM schema_version") == [(3,)]
    session.close()
    for read_only in (False, True):
        with pytest.raises(BadInput, match="written by a later Bailiwick \\(schema 3, this one knows 1\\); upgrade"):
            PostgresLedger.open(url_of(tmp_path), read_only=read_only)


def test_a_reader_leaves_an_older_schema_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _version_1(tmp_path)
    monkeypatch.setattr(schema, "versions", lambda: [Path("0001.sql"), Path("0002.sql")])
    with pytest.raises(BadInput, match="written by an earlier Bailiwick \\(schema 1\\)"):
        PostgresReader(url_of(tmp_path))


def test_many_hosts_may_open_a_new_log_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        url_of(tmp_path)
        hosts = await asyncio.gather(*(asyncio.to_thread(opened, tmp_path, f"host{number}") for number in range(6)))
        assert [stream.name for stream in hosts[0].streams()] == [f"host{number}" for number in range(6)]
        for host in hosts:
            await host.close()

    asyncio.run(scenario())
