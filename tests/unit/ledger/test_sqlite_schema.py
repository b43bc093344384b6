"""The schema in SQLite: made, brought up to date, left alone."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bailiwick.errors import BadInput, CorruptLedger, DuplicateIntent
from bailiwick.ledger import Past, Sealed, verify
from bailiwick.ledger.backends.sqlite import SqliteLedger, schema
from bailiwick.testing.ledger_records import agent, attempt, effect, intent, outcome, seal
from bailiwick.testing.ledger_suite import records

VERSION_2 = Path(__file__).with_name("sqlite_2.sql")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of the first version that was released."""
    found = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(found)) as connection:
        connection.executescript(VERSION_2.read_text("utf-8"))
    return found


def tables(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return schema.version_of(connection)


def first_only(folder: Path) -> Path:
    folder.mkdir()
    (folder / "0002.sql").write_text((schema.MIGRATIONS / "0002.sql").read_text("utf-8"), "utf-8")
    return folder


def test_the_first_migration_still_makes_the_first_version(path: Path, tmp_path: Path) -> None:
    """What was released is not edited any more; what comes after it is a file of its own."""
    made = tmp_path / "made.sqlite"
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        assert schema.migrate(connection, first_only(tmp_path / "first"))
    assert tables(made) == tables(path)
    assert version(made) == version(path) == 2


def test_a_ledger_of_the_first_version_is_brought_up_to_date_and_goes_on(path: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        ledger = SqliteLedger.open(path)
        assert ledger.head().seq == 10
        assert verify(ledger.entries()) == ledger.head()
        assert ledger.find(effect(1)) == Past(intent(1, arguments=b"\xa3one"), outcome(1, value=b"\xa1v"), 2)
        assert ledger.find(effect(2)) == Past(intent(2), None, 0, attempt(2, 2), erased=True)
        assert ledger.find(effect(4)) == Past(intent(4), None, 0)
        assert ledger.last_seal(agent(0)) == Sealed(10, seal(0, b"new"))
        assert ledger.append(outcome(4)) == 11
        await ledger.close()

    asyncio.run(scenario())
    new = tmp_path / "new.sqlite"
    asyncio.run(SqliteLedger.open(new).close())
    assert tables(path) == tables(new)
    assert version(path) == version(new) == max(schema.versions())


def test_a_ledger_of_the_first_version_can_be_read_without_bringing_it_up_to_date(path: Path) -> None:
    before = path.read_bytes()
    reader = SqliteLedger.open(path, read_only=True)
    assert verify(reader.entries()) == reader.head()
    assert reader.find(effect(3)) == Past(intent(3), outcome(3), 9)
    assert reader.last_seal(agent(0)) == Sealed(10, seal(0, b"new"))
    asyncio.run(reader.close())
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_older_version_whole(path: Path, tmp_path: Path) -> None:
    folder = first_only(tmp_path / "steps")
    (folder / "0003.sql").write_text("CREATE TABLE half (done INTEGER);\nINSERT INTO nowhere VALUES (1);", "utf-8")
    before = tables(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            schema.migrate(connection, folder)
        assert not connection.in_transaction
    assert tables(path) == before
    assert version(path) == 2


def test_a_ledger_is_not_migrated_twice(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert schema.migrate(connection)
        assert not schema.migrate(connection)


@pytest.mark.parametrize("read_only", [False, True], ids=["to write", "to read"])
def test_what_no_release_wrote_is_refused_untouched(path: Path, read_only: bool) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="before the first release"):
        SqliteLedger.open(path, read_only=read_only)
    assert path.read_bytes() == before


def test_versions_have_no_gaps_and_every_one_says_what_it_is_for() -> None:
    known = schema.versions()
    assert list(known) == list(range(2, 2 + len(known)))
    assert [path.name for path in known.values() if not path.read_text("utf-8").startswith("--")] == []


def test_an_effect_that_began_in_the_first_version_is_not_begun_again_in_a_later_one(path: Path) -> None:
    async def scenario() -> None:
        ledger = SqliteLedger.open(path, segment_entries=2)
        for number in (1, 2, 3, 4):
            with pytest.raises(DuplicateIntent):
                ledger.append(intent(number))
        ledger.append(intent(5))
        await ledger.barrier()
        ledger.append(outcome(5))
        await ledger.close()
        again = SqliteLedger.open(path)
        assert len(records(again)) == 12
        with pytest.raises(DuplicateIntent):
            again.append(intent(1))
        await again.close()

    asyncio.run(scenario())


def test_another_programs_database_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
        connection.execute("CREATE TABLE segments (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(CorruptLedger, match="another program"):
        SqliteLedger.open(path)
    assert path.read_bytes() == before
