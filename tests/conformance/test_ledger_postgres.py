from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.postgres import PostgresLedger, whereabouts, writer
from bailiwick.ledger.backends.postgres.schema import migrate
from bailiwick.ledger.backends.postgres.session import Session
from bailiwick.testing.ledger_machine import ledger_state_machine
from bailiwick.testing.ledger_records import intent
from bailiwick.testing.ledger_suite import LedgerSuite
from tests.postgres import schema_of, server, url_of

COPIED = """
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
INSERT INTO {image}.streams OVERRIDING SYSTEM VALUE SELECT * FROM {original}.streams;
INSERT INTO {image}.entries SELECT * FROM {original}.entries;
INSERT INTO {image}.roots SELECT * FROM {original}.roots;
SELECT setval(pg_get_serial_sequence('{image}.streams', 'number'), (SELECT coalesce(max(number), 1) FROM {image}.streams));
SELECT setval('{image}.batches', nextval('{original}.batches'));
"""

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON entries EXECUTE FUNCTION refuse();
"""


class TestPostgresLedger(LedgerSuite):
    async def open(self, where: Path) -> Ledger:
        return PostgresLedger.open(url_of(where))

    def crash_image(self, where: Path, image: Path) -> None:
        """What is committed at this moment, seen by one transaction: that is what the server's recovery would show."""
        session = Session(url_of(image))
        migrate(session)
        session.close()
        with server().connect() as connection, connection.transaction():
            connection.execute(COPIED.format(image=schema_of(image), original=schema_of(where)))

    @contextmanager
    def broken_medium(self, ledger: Ledger, where: Path) -> Iterator[None]:
        """The server has no room for another row."""
        with server().connect(schema_of(where)) as connection:
            connection.execute(REFUSE)
            try:
                yield
            finally:
                connection.execute("DROP FUNCTION refuse CASCADE")


class TestPostgresLedgerThatCopies(TestPostgresLedger):
    """With the way that large batches take, for all."""

    @pytest.fixture(autouse=True)
    def _copies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer, "COPIED_ROWS", 1)


class TestPostgresLedgerThatCommitsEachAppend(TestPostgresLedger):
    """The naive mode that benchmarks compare with keeps every promise too."""

    async def open(self, where: Path) -> Ledger:
        return PostgresLedger.open(url_of(where), max_batch=1)


class TestPostgresLedgerOfManyStreams(TestPostgresLedger):
    """With effects of the same tree of runs in another stream, so that what is new must be asked for."""

    async def open(self, where: Path) -> Ledger:
        another = PostgresLedger.open(url_of(where), stream="another")
        if another.head().seq == 0:
            another.append(intent(10**9))
        await another.close()
        return PostgresLedger.open(url_of(where))


HISTORIES = settings(max_examples=15, stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow])


async def _postgres(where: Path) -> Ledger:
    return PostgresLedger.open(url_of(where))


def test_postgres_answers_and_refuses_as_the_specification_does() -> None:
    run_state_machine_as_test(ledger_state_machine(_postgres), settings=HISTORIES)


def test_postgres_answers_and_refuses_alike_when_memory_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whereabouts, "SHELF_ENTRIES", 2)
    run_state_machine_as_test(ledger_state_machine(_postgres), settings=HISTORIES)
