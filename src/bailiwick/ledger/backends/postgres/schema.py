"""The tables: made where they are not, brought up to date where they are older, left alone where they are newer."""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString, cast

from bailiwick.errors import BadInput, NotFound
from bailiwick.ledger.backends.postgres.session import Connection, Session

MIGRATIONS = Path(__file__).with_name("migrations")

_LOCK = int.from_bytes(b"bailiwck", "big")
"""The advisory lock of whoever changes the schema: others who open the log meanwhile wait."""

# Not `to_regclass`: that may go by what the connection knew before it waited for the lock.
_KNOWN = """
SELECT EXISTS (
    SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'schema_version' AND nspname = current_schema()
)
"""


def versions(folder: Path = MIGRATIONS) -> list[Path]:
    """The migrations in order: ``0001.sql`` makes the first version, each other one the next from the one before."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9].sql"))


def migrate(session: Session, folder: Path = MIGRATIONS) -> None:
    """Bring the schema to the newest version, in one transaction: after a crash it is the old one or the new one.

    Raises `BadInput` if a later version of Bailiwick has been here, `CorruptLedger` if the tables are not ours, `LedgerUnavailable`.
    """
    steps = versions(folder)

    def work(connection: Connection) -> None:
        if _version(connection) == len(steps):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            found = _version(connection)
            _refuse_newer(session, found, len(steps))
            if found == 0:
                connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
                connection.execute("INSERT INTO schema_version VALUES (0)")
            for step in steps[found:]:
                # Ours, from the package; no value from outside is in it.
                connection.execute(cast(LiteralString, step.read_text("utf-8")))
            connection.execute("UPDATE schema_version SET version = %s", (len(steps),))

    session.run(work)


def check(session: Session) -> None:
    """Raises `NotFound` if nothing is recorded there, `BadInput` if this version cannot read it, `LedgerUnavailable`."""
    found = session.run(_version)
    if found == 0:
        raise NotFound(f"{session.where}: nothing has been recorded here yet; run something first, or name another `postgres_url`")
    _refuse_newer(session, found, len(versions()))
    if found < len(versions()):
        raise BadInput(f"{session.where}: was written by an earlier Bailiwick (schema {found}); a run that writes brings it up to date")


def _version(connection: Connection) -> int:
    known = connection.execute(_KNOWN).fetchone()
    if not known or not known[0]:
        return 0
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    return row[0] if row else 0


def _refuse_newer(session: Session, found: int, known: int) -> None:
    if found > known:
        raise BadInput(
            f"{session.where}: was written by a later Bailiwick (schema {found}, this one knows {known}); upgrade to use it", schema=found
        )
