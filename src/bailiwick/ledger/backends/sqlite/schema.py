"""The schema: made, brought up to date, left alone. Forward only: there is no way back but a copy from before.

Each version is a file in ``migrations``, which is not edited any more once it was released. Segments that were put aside keep the version
they were written in, and every later version reads them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bailiwick.errors import BadInput, CorruptLedger
from bailiwick.ledger.backends.sqlite.file import APPLICATION_ID

MIGRATIONS = Path(__file__).with_name("migrations")


def versions(folder: Path = MIGRATIONS) -> dict[int, Path]:
    """By version, in order: what makes it from the one before. The first makes it from nothing."""
    return {int(path.stem): path for path in sorted(folder.glob("[0-9][0-9][0-9][0-9].sql"))}


def is_empty(connection: sqlite3.Connection, path: Path) -> bool:
    """False if the file is a ledger this version can read, True if it has no content yet.

    Raises `CorruptLedger` if it is something else, `BadInput` if a later version wrote it.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = version_of(connection)
    if application == 0 and version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return True
    if application != APPLICATION_ID:
        raise CorruptLedger(f"{path}: is a database of another program, not a ledger; name another file", path=str(path))
    known = versions()
    if version < min(known):
        raise BadInput(f"{path}: was written before the first release, whose records are not read; move it away", path=str(path))
    if version > max(known):
        raise BadInput(
            f"{path}: was written by a later Bailiwick (schema {version}, this one knows {max(known)}); upgrade to read it",
            path=str(path),
            schema=version,
        )
    return False


def migrate(connection: sqlite3.Connection, folder: Path = MIGRATIONS) -> bool:
    """Bring the schema to the newest version, in one transaction: after a crash it is the old one or the new one. False if it was there."""
    known = versions(folder)
    found, newest = version_of(connection), max(known)
    if found >= newest:
        return False
    steps = "\n".join(path.read_text("utf-8") for version, path in known.items() if version > found)
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{steps}\nPRAGMA user_version = {newest};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()
        raise
    return True


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the schema; 0 for an empty file."""
    return connection.execute("PRAGMA user_version").fetchone()[0]
